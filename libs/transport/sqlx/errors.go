package sqlx

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/sijms/go-ora/v2/network"

	"eventful.se/ess/libs/reason"
)

// Error is the code of a database's error, without its text, which may quote a row.
type Error struct{ Code string } // SQLSTATE 42P01, Msg 208, ORA-00942

// Error returns the code.
func (e *Error) Error() string { return e.Code }

// The meanings.
const (
	wrongCredentials = reason.WrongCredentials
	accountLocked    = reason.AccountLocked
	passwordExpired  = reason.PasswordExpired
	databaseMissing  = reason.DatabaseMissing
	viewMissing      = reason.ViewMissing
	columnMissing    = reason.ColumnMissing
	grantMissing     = reason.GrantMissing
	throttled        = reason.Throttled
	unreachable      = reason.Unreachable
	rowsLocked       = reason.RowsLocked
	tooSlow          = reason.StatementTimeout
	sessionEnded     = reason.SessionEnded
	snapshotRefused  = reason.SnapshotRefused
	snapshotLost     = reason.SnapshotLost
	queryRefused     = reason.QueryRefused
)

// faultOf tells what a person has to mend from what passes.
func faultOf(m reason.Code) reason.Fault {
	switch m {
	case wrongCredentials, accountLocked, passwordExpired, databaseMissing, viewMissing, columnMissing, grantMissing, snapshotRefused:
		return reason.Misconfigured
	default:
		return reason.Transient
	}
}

// judge says what an error of a database means; not ok of an error that is none.
func judge(err error) (code string, m reason.Code, ok bool) {
	if e, is := errors.AsType[*pgconn.PgError](err); is {
		return "SQLSTATE " + e.Code, judgePostgres(e.Code), true
	}
	if e, is := errors.AsType[mssql.Error](err); is {
		number, m := judgeBatch(e)
		return "Msg " + strconv.Itoa(int(number)), m, true
	}
	if e, is := errors.AsType[*network.OracleError](err); is {
		return fmt.Sprintf("ORA-%05d", e.ErrCode), judgeOracle(e.ErrCode), true
	}
	return "", "", false
}

// judgePostgres: https://www.postgresql.org/docs/current/errcodes-appendix.html
func judgePostgres(state string) reason.Code {
	switch state {
	case "28P01", "28000":
		return wrongCredentials
	case "3D000":
		return databaseMissing
	case "42P01", "3F000":
		return viewMissing
	case "42703":
		return columnMissing
	case "42501":
		return grantMissing
	case "53300", "57P03":
		return throttled
	case "55P03", "40P01":
		return rowsLocked
	case "57014":
		return tooSlow
	case "57P01", "57P02", "57P04", "57P05", "25P03", "25P04":
		return sessionEnded
	case "40001", "72000":
		return snapshotLost
	}
	if strings.HasPrefix(state, "08") {
		return sessionEnded
	}
	return queryRefused
}

// judgeBatch judges the first error of those that a statement of SQL Server ended with and that means something: what is last
// only tells what came of it (18456 after 4060, 4413 after 207).
func judgeBatch(e mssql.Error) (int32, reason.Code) {
	for _, one := range e.All {
		if m := judgeSQLServer(one.Number); m != queryRefused {
			return one.Number, m
		}
	}
	return e.Number, judgeSQLServer(e.Number)
}

// judgeSQLServer: https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
func judgeSQLServer(number int32) reason.Code {
	switch number {
	case 18452, 18456, 18470:
		return wrongCredentials
	case 18486:
		return accountLocked
	case 18487, 18488:
		return passwordExpired
	case 911, 916, 4060:
		return databaseMissing
	case 208:
		return viewMissing
	case 207:
		return columnMissing
	case 229, 230, 300:
		return grantMissing
	case 921, 922, 923, 924, 927, 942, 952, 976, 983, 988, 10928, 10929, 17142, 18401, 18451, 18461, 40501, 40613:
		return throttled
	case 1205, 1222:
		return rowsLocked
	case 596, 3980:
		return sessionEnded
	case 3952, 3954, 3955, 3956:
		return snapshotRefused
	case 3948, 3949, 3950, 3953, 3957, 3958, 3960, 3961, 3966, 3967:
		return snapshotLost
	default:
		return queryRefused
	}
}

// judgeOracle: https://docs.oracle.com/en/error-help/db/
func judgeOracle(number int) reason.Code {
	switch number {
	case 1005, 1017:
		return wrongCredentials
	case 28000:
		return accountLocked
	case 28001:
		return passwordExpired
	case 12505, 12514:
		return databaseMissing
	case 942, 4043:
		return viewMissing
	case 904:
		return columnMissing
	case 1031, 1045, 41900:
		return grantMissing
	case 18, 20, 1033, 1034, 1035, 1090, 2391, 12516, 12518, 12519, 12520, 12526, 12528:
		return throttled
	case 12170, 12535, 12541, 12543, 12545:
		return unreachable
	case 51, 54, 60, 4021, 30006:
		return rowsLocked
	case 40, 1013, 2393, 2395, 56735:
		return tooSlow
	case 28, 41, 1012, 1089, 1092, 2390, 2392, 2394, 2396, 2397, 2399, 3113, 3114, 3135:
		return sessionEnded
	case 1466, 1555, 8176, 22924:
		return snapshotLost
	default:
		return queryRefused
	}
}

// explainConnect says why a session did not come about.
func (c *Client) explainConnect(ctx, limited context.Context, err error) error {
	address := c.Address()
	_, isUnknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, isName := errors.AsType[x509.HostnameError](err)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	wanted := c.cfg.ServerName
	if wanted == "" {
		wanted = c.cfg.Host
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("connect to %s: %w", address, context.Cause(ctx))
	case isUnknown:
		return reason.Errorf(reason.Misconfigured, nil, reason.CertificateUnknown, "address", address)
	case isName:
		return reason.Errorf(reason.Misconfigured, nil, reason.CertificateName, "address", address, "name", wanted)
	case isInvalid && invalid.Reason == x509.Expired:
		return reason.Errorf(reason.Misconfigured, nil, reason.CertificateExpired, "address", address, "day", invalid.Cert.NotAfter.UTC().Format("2006-01-02"))
	case isInvalid:
		return reason.Errorf(reason.Misconfigured, nil, reason.CertificateUnknown, "address", address)
	}
	if code, m, ok := judge(err); ok {
		if m == sessionEnded || m == queryRefused {
			m = unreachable
		}
		return c.errorf(m, Query{Name: "begin"}, code)
	}
	switch {
	case limited.Err() != nil:
		return reason.Errorf(reason.Transient, nil, reason.NoAnswer, "address", address, "time", c.cfg.ConnectTimeout)
	case c.cfg.Encryption != None && strings.Contains(err.Error(), "refused TLS"):
		return reason.Errorf(reason.Misconfigured, nil, reason.EncryptionFailed, "address", address, "what", "the server does not encrypt")
	default:
		return reason.Errorf(reason.Transient, nil, reason.Unreachable, "address", address)
	}
}

// explain says why a query did not come to its end.
func (c *Client) explain(ctx, limited context.Context, q Query, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("query %s of %s: %w", q.Name, c.Address(), context.Cause(ctx))
	}
	if errors.Is(context.Cause(limited), errTimeout) {
		return c.errorf(tooSlow, q, "")
	}
	code, m, ok := judge(err)
	if !ok { // the line broke, or the driver could not read what came
		code, m = "no answer", queryRefused
		_, isNet := errors.AsType[net.Error](err)
		if isNet || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || isBad(err) {
			m = sessionEnded
		}
	}
	return c.errorf(m, q, code)
}

// isBad tells whether a driver says that its connection is of no more use, which not all do by an error of a type.
func isBad(err error) bool {
	text := err.Error()
	return slices.ContainsFunc([]string{"bad connection", "conn closed", "connection reset", "broken pipe"}, func(s string) bool { return strings.Contains(text, s) })
}

func (c *Client) errorf(m reason.Code, q Query, code string) error {
	args := []any{"address", c.Address()}
	switch m {
	case wrongCredentials, accountLocked, passwordExpired:
		args = append(args, "user", c.cfg.User)
	case databaseMissing:
		args = append(args, "user", c.cfg.User, "database", c.cfg.Database)
	case viewMissing, grantMissing:
		args = append(args, "user", c.cfg.User, "query", q.Name, "grant", c.Grant(q.Reads))
	case columnMissing:
		args = append(args, "query", q.Name, "column", "that it names")
	case rowsLocked:
		args = append(args, "query", q.Name, "time", c.cfg.LockTimeout)
	case tooSlow:
		args = append(args, "query", q.Name, "time", c.cfg.Timeout)
	default:
		args = append(args, "query", q.Name)
	}
	var cause error
	if code != "" {
		args = append(args, "code", code)
		cause = &Error{code}
	}
	return reason.Errorf(faultOf(m), cause, m, args...)
}
