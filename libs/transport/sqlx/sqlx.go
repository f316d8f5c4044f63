// Package sqlx reads a database by queries, row by row, and changes nothing: PostgreSQL, SQL Server and Oracle.
//
// All queries of a [Snapshot] see the database as it was at one instant: REPEATABLE READ of PostgreSQL, SNAPSHOT of
// SQL Server (where the database has to allow it: without, nothing is read), READ ONLY of Oracle. A dirty read is not on offer.
// PostgreSQL and Oracle refuse a write by themselves; of SQL Server the rights of the account do.
//
// Rows come as they are sent, and none is kept. A statement that takes too long, a lock that is not released, a session that
// somebody ended and a line that went dead end the read, each with a reason of its own. The text of a database's error may
// quote what stands in a row and is dropped: errors keep its number, which the manual of the database explains.
package sqlx

import (
	"strings"
	"time"

	"eventful.se/ess/libs/tenant"
)

// Driver is a kind of database.
type Driver string

// The kinds.
const (
	PostgreSQL Driver = "postgresql"
	SQLServer  Driver = "sqlserver"
	Oracle     Driver = "oracle"
)

// Encryption says whether the connection is encrypted.
type Encryption string

// The choices.
const (
	Required Encryption = "required" // and the server is known by its certificate; empty is the same
	None     Encryption = "none"     // of a database on the same machine, or that cannot do it
)

// Defaults of [Config].
const (
	DefaultConnectTimeout = 20 * time.Second
	DefaultTimeout        = 15 * time.Minute
	DefaultLockTimeout    = time.Minute
)

// Config says how to reach a database. Zero values stand for the defaults.
type Config struct {
	Driver     Driver        `yaml:"driver"`     // postgresql, sqlserver or oracle
	Host       string        `yaml:"host"`       //
	Port       int           `yaml:"port"`       // that of the driver when it is 0
	Database   string        `yaml:"database"`   // of Oracle: the name of the service
	User       string        `yaml:"user"`       // of SQL Server also DOMAIN\NAME, an account of Windows
	Password   tenant.Secret `yaml:"password"`   // none with kerberos
	Kerberos   Kerberos      `yaml:"kerberos"`   // of SQL Server: an account of the domain
	Encryption Encryption    `yaml:"encryption"` // required, or none
	CAFile     string        `yaml:"caFile"`     // who signs the server's certificate, PEM; empty for those that this machine trusts
	ServerName string        `yaml:"serverName"` // the name in the certificate, where it is not that of the host; not of Oracle

	ConnectTimeout time.Duration `yaml:"connectTimeout"` // to connect and sign in
	Timeout        time.Duration `yaml:"timeout"`        // for one query, to its last row
	LockTimeout    time.Duration `yaml:"lockTimeout"`    // to wait for who locks what a query reads
}

// Kerberos says how an account of a domain signs in without a password: integrated sign-in.
type Kerberos struct {
	Realm  string `yaml:"realm"`  // the domain, in capitals
	Keytab string `yaml:"keytab"` // file with the account's keys
	Config string `yaml:"config"` // krb5.conf; default /etc/krb5.conf
}

// On tells whether that is how to sign in.
func (k Kerberos) On() bool { return k != Kerberos{} }

func (k Kerberos) validate(p tenant.Problems, c Config) {
	if c.Driver != SQLServer {
		p.At("kerberos").Add("is for sqlserver only")
	}
	p.At("kerberos.realm").Required(k.Realm)
	p.At("kerberos.keytab").Required(k.Keytab)
	if !c.Password.IsZero() {
		p.At("password").Add("is for an account of the database, and kerberos for one of the domain: write one of them")
	}
}

// Validate reports everything wrong with the settings, without network and without reading a secret or a file.
func (c Config) Validate(p tenant.Problems) {
	switch c.Driver {
	case PostgreSQL, SQLServer, Oracle:
	case "":
		p.At("driver").Add("is required")
	default:
		p.At("driver").Add("is not postgresql, sqlserver or oracle")
	}
	p.At("host").Required(c.Host)
	if strings.ContainsAny(c.Host, "/:@ ") {
		p.At("host").Add("is not a name or an address: write it without scheme, port or instance")
	}
	if c.Port < 0 || c.Port > 65535 {
		p.At("port").Add("is not 1 to 65535")
	}
	p.At("database").Required(c.Database)
	p.At("user").Required(c.User)
	if c.Kerberos.On() {
		c.Kerberos.validate(p, c)
	} else {
		p.At("password").Required(string(c.Password))
	}
	if !c.Password.IsZero() {
		p.At("password").Check(c.Password.Validate())
	}
	switch c.Encryption {
	case "", Required:
	case None:
		if c.CAFile != "" || c.ServerName != "" {
			p.At("encryption").Add("is none, and caFile and serverName are for a connection that is encrypted")
		}
	default:
		p.At("encryption").Add("is not required or none")
	}
	if c.Driver == Oracle && c.ServerName != "" {
		p.At("serverName").Add("is not for Oracle, whose driver holds the certificate to host: write that name there")
	}
	if strings.ContainsAny(c.ServerName, "/:@ ") {
		p.At("serverName").Add("is not a name: write it as the certificate does")
	}
	for name, d := range map[string]time.Duration{"connectTimeout": c.ConnectTimeout, "timeout": c.Timeout, "lockTimeout": c.LockTimeout} {
		if d < 0 || d > 0 && d < time.Millisecond {
			p.At("%s", name).Add("is not a usable time: write it with its unit, as in 30s")
		}
	}
}

func (c Config) withDefaults() Config {
	if c.Port == 0 {
		c.Port = map[Driver]int{PostgreSQL: 5432, SQLServer: 1433, Oracle: 1521}[c.Driver]
		if c.Driver == Oracle && c.Encryption != None {
			c.Port = 2484 // of TCPS
		}
	}
	if c.Kerberos.On() && c.Kerberos.Config == "" {
		c.Kerberos.Config = "/etc/krb5.conf"
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.LockTimeout == 0 {
		c.LockTimeout = DefaultLockTimeout
	}
	return c
}
