package sqlx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	mssql "github.com/microsoft/go-mssqldb"
	_ "github.com/microsoft/go-mssqldb/integratedauth/krb5" // by which [Kerberos] signs in
	"github.com/microsoft/go-mssqldb/msdsn"
	ora "github.com/sijms/go-ora/v2"

	"eventful.se/ess/libs/reason"
)

// Client reads one database. It keeps no connection: each snapshot has one of its own.
type Client struct{ cfg Config }

// New returns a client for valid settings. It uses no network.
func New(cfg Config) *Client { return &Client{cfg.withDefaults()} }

// Address returns host and port.
func (c *Client) Address() string { return net.JoinHostPort(c.cfg.Host, strconv.Itoa(c.cfg.Port)) }

// User returns who signs in.
func (c *Client) User() string { return c.cfg.User }

// appName is how the database's own lists call our sessions.
const appName = "eventful-school-sync"

// dialer notices within half a minute that a peer is no longer there, however long a query takes to answer.
func (c *Client) dialer() *net.Dialer {
	const idle, interval, count = 15 * time.Second, 5 * time.Second, 3
	return &net.Dialer{
		Timeout:         c.cfg.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: idle, Interval: interval, Count: count},
	}
}

// DialContext dials; it is what the driver of SQL Server and that of Oracle ask for.
func (d dialing) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return d.Dialer.DialContext(ctx, network, addr)
}

type dialing struct{ *net.Dialer }

func (c *Client) connector() (driver.Connector, error) {
	password, err := c.password()
	if err != nil {
		return nil, err
	}
	encrypted, err := c.tls()
	if err != nil {
		return nil, err
	}
	switch c.cfg.Driver {
	case PostgreSQL:
		return c.postgres(password, encrypted)
	case SQLServer:
		return c.sqlServer(password, encrypted)
	default:
		return c.oracle(password, encrypted), nil
	}
}

// password reads the password; nothing where the account signs in by its keys.
func (c *Client) password() (string, error) {
	if !c.cfg.Kerberos.On() {
		password, err := c.cfg.Password.Reveal()
		if err != nil {
			return "", reason.Errorf(reason.Misconfigured, nil, reason.SecretUnusable, "secret", c.cfg.Password, "what", err)
		}
		return string(password), nil
	}
	for key, file := range map[string]string{"kerberos.keytab": c.cfg.Kerberos.Keytab, "kerberos.config": c.cfg.Kerberos.Config} {
		if _, err := os.Stat(file); err != nil {
			return "", reason.Errorf(reason.Misconfigured, nil, reason.SecretUnusable, "secret", key, "what", err)
		}
	}
	return "", nil
}

// tls returns how to encrypt, or nil.
func (c *Client) tls() (*tls.Config, error) {
	if c.cfg.Encryption == None {
		return nil, nil //nolint:nilnil // nil is what the drivers take for no encryption
	}
	t := &tls.Config{ServerName: c.cfg.Host, MinVersion: tls.VersionTLS12}
	if c.cfg.ServerName != "" {
		t.ServerName = c.cfg.ServerName
	}
	if c.cfg.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.cfg.CAFile)
	if err != nil {
		return nil, reason.Errorf(reason.Misconfigured, nil, reason.SecretUnusable, "secret", "caFile", "what", err)
	}
	if t.RootCAs = x509.NewCertPool(); !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, reason.Errorf(reason.Misconfigured, nil, reason.SecretUnusable, "secret", "caFile", "what", "no certificate in PEM form")
	}
	return t, nil
}

func (c *Client) postgres(password string, encrypted *tls.Config) (driver.Connector, error) {
	cfg, err := pgx.ParseConfig("sslmode=disable") // all else is said below: nothing is left to the environment
	if err != nil {
		return nil, fmt.Errorf("settings of the PostgreSQL driver: %w", err)
	}
	cfg.Host, cfg.Port, cfg.Database = c.cfg.Host, uint16(c.cfg.Port), c.cfg.Database
	cfg.User, cfg.Password, cfg.TLSConfig, cfg.Fallbacks = c.cfg.User, password, encrypted, nil
	cfg.ConnectTimeout, cfg.DialFunc = c.cfg.ConnectTimeout, c.dialer().DialContext
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // a query is asked once; a view may change between two
	cfg.RuntimeParams = map[string]string{
		"application_name": appName, "client_encoding": "UTF8", "DateStyle": "ISO", "TimeZone": "Europe/Stockholm",
		"default_transaction_read_only": "on",
		"statement_timeout":             milliseconds(c.cfg.Timeout), "lock_timeout": milliseconds(c.cfg.LockTimeout),
	}
	return stdlib.GetConnector(*cfg), nil
}

func (c *Client) sqlServer(password string, encrypted *tls.Config) (driver.Connector, error) {
	cfg, err := c.sqlServerConfig(password, encrypted)
	if err != nil {
		return nil, fmt.Errorf("settings of the SQL Server driver: %w", err)
	}
	connector := mssql.NewConnectorConfig(cfg)
	connector.Dialer = dialing{c.dialer()}
	return connector, nil
}

// sqlServerConfig returns what the driver is told. A user DOMAIN\NAME with a password is an account of Windows, for which the
// driver signs in by NTLM, or on Windows by SSPI.
func (c *Client) sqlServerConfig(password string, encrypted *tls.Config) (msdsn.Config, error) {
	cfg, err := msdsn.Parse("sqlserver://localhost?encrypt=disable")
	if err != nil {
		return cfg, err
	}
	cfg.Host, cfg.Port, cfg.Database, cfg.User, cfg.Password = c.cfg.Host, uint64(c.cfg.Port), c.cfg.Database, c.cfg.User, password
	// not by the intent to read only: that is answered by a replica, which may be behind what was read the last time
	cfg.AppName, cfg.DisableRetry, cfg.DialTimeout = appName, true, c.cfg.ConnectTimeout
	if encrypted != nil {
		encrypted.DynamicRecordSizingDisabled = true // which the protocol needs while it begins
		cfg.Encryption, cfg.TLSConfig, cfg.HostInCertificateProvided = msdsn.EncryptionRequired, encrypted, c.cfg.ServerName != ""
	}
	if k := c.cfg.Kerberos; k.On() {
		cfg.ServerSPN = "MSSQLSvc/" + c.Address()
		cfg.Parameters = map[string]string{"authenticator": "krb5", "krb5-realm": k.Realm, "krb5-keytabfile": k.Keytab, "krb5-configfile": k.Config}
	}
	return cfg, nil
}

func (c *Client) oracle(password string, encrypted *tls.Config) driver.Connector {
	options := map[string]string{"CONNECTION TIMEOUT": strconv.Itoa(int(c.cfg.ConnectTimeout.Seconds())), "PROGRAM": appName}
	if encrypted != nil {
		options["SSL"], options["SSL VERIFY"] = "true", "true"
	}
	connector := ora.NewConnector(ora.BuildUrl(c.cfg.Host, c.cfg.Port, c.cfg.Database, c.cfg.User, password, options))
	if o, ok := connector.(*ora.OracleConnector); ok {
		o.Dialer(dialing{c.dialer()})
		if encrypted != nil {
			o.WithTLSConfig(encrypted)
		}
	}
	return connector
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// begun are the statements after which a session sees one snapshot; the isolation is asked for by the driver where it can.
func (c *Client) begun() (opts *sql.TxOptions, statements []string) {
	switch c.cfg.Driver {
	case PostgreSQL:
		return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, nil
	case SQLServer:
		return &sql.TxOptions{Isolation: sql.LevelSnapshot}, []string{"SET LOCK_TIMEOUT " + milliseconds(c.cfg.LockTimeout)}
	default:
		return &sql.TxOptions{}, []string{"SET TRANSACTION READ ONLY"}
	}
}
