package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"eventful.se/ess/libs/reason"
)

// StatusError is the status by which a server refused a call. It has nothing of what the server wrote beside it.
type StatusError struct{ Code int }

// Error returns the number and its name.
func (e *StatusError) Error() string { return strconv.Itoa(e.Code) + " " + http.StatusText(e.Code) }

// Status returns the status by which a server refused a call, or 0 for an error of another kind and for none.
func Status(err error) int {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Code
	}
	return 0
}

// ended is the error of a call whose context ended.
func ended(ctx context.Context, host string) error {
	return fmt.Errorf("http %s: %w", host, context.Cause(ctx))
}

// explainWait gives the error of a budget, which names what is counted, the host that was to be called.
func explainWait(ctx context.Context, host string, err error) error {
	if ctx.Err() != nil {
		return ended(ctx, host)
	}
	return &reason.Error{Fault: reason.Transient, Reason: reason.New(reason.Throttled, "address", host), After: reason.AfterOf(err)}
}

// exchange is one request under way, for the errors that it may end with.
type exchange struct {
	client *Client
	parent context.Context // of the caller
	limit  context.Context // with the deadline of this request
	to     *url.URL
	route  string
}

func (e exchange) path() string { return strconv.Quote(e.route) }

// failed says why there was no answer.
func (e exchange) failed(err error) error {
	var private *privateError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var network net.Error
	address := e.to.Host
	switch {
	case e.parent.Err() != nil:
		return ended(e.parent, address)
	case errors.As(err, &private):
		return reason.Errorf(reason.Misconfigured, nil, reason.AddressRefused, "address", address, "ip", private.ip)
	case errors.As(err, &unknown):
		return reason.Errorf(reason.Misconfigured, nil, reason.CertificateUnknown, "address", address)
	case errors.As(err, &name):
		return reason.Errorf(reason.Misconfigured, nil, reason.CertificateName, "address", address, "name", e.to.Hostname())
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return reason.Errorf(reason.Misconfigured, nil, reason.CertificateExpired, "address", address, "day", invalid.Cert.NotAfter.UTC().Format(time.DateOnly))
	case errors.As(err, &invalid):
		return reason.Errorf(reason.Misconfigured, nil, reason.CertificateUnknown, "address", address)
	case errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch):
		return reason.Errorf(reason.Misconfigured, nil, reason.EncryptionFailed, "address", address, "what", "it does not speak TLS")
	case errors.As(err, &alert):
		return reason.Errorf(reason.Misconfigured, nil, reason.EncryptionFailed, "address", address, "what", alert.Error())
	case strings.Contains(err.Error(), "tls: "): // the library has no type for a version or a cipher that is not shared
		_, what, _ := strings.Cut(err.Error(), "tls: ")
		return reason.Errorf(reason.Misconfigured, nil, reason.EncryptionFailed, "address", address, "what", what)
	case e.limit.Err() != nil:
		return reason.Errorf(reason.Transient, nil, reason.NoAnswer, "address", address, "time", e.client.cfg.Timeout)
	case errors.As(err, &network) && network.Timeout():
		return reason.Errorf(reason.Transient, nil, reason.NoAnswer, "address", address, "time", e.client.cfg.ConnectTimeout)
	default:
		return reason.Errorf(reason.Transient, dialError(err), reason.Unreachable, "address", address)
	}
}

// dialError returns what is safe to show of an error of the transport: not its address, which has the query in it.
func dialError(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns
	}
	return errors.New("the connection ended")
}

// refused says what a status means.
func (e exchange) refused(res *http.Response) error {
	cause := &StatusError{res.StatusCode}
	address, path := e.to.Host, e.path()
	because := func(f reason.Fault, code reason.Code, args ...any) error {
		return reason.Errorf(f, cause, code, append([]any{"address", address, "path", path, "status", res.StatusCode}, args...)...)
	}
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return because(reason.Misconfigured, reason.WrongCredentials, "user", e.client.user())
	case http.StatusForbidden:
		return because(reason.Misconfigured, reason.NotPermitted)
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return because(reason.Unsupported, reason.EndpointMissing)
	case http.StatusConflict, http.StatusPreconditionFailed:
		return because(reason.Conflict, reason.ItemChanged)
	case http.StatusGone:
		return because(reason.Conflict, reason.AnswerGone)
	case http.StatusTooManyRequests:
		after := e.after(res)
		e.client.budget.Throttled(after)
		return &reason.Error{Fault: reason.Transient, Reason: reason.New(reason.Throttled, "address", address), After: after, Err: cause}
	case http.StatusRequestTimeout, http.StatusLocked, http.StatusTooEarly:
		return because(reason.Transient, reason.ServerRefused)
	}
	if res.StatusCode >= http.StatusInternalServerError {
		return &reason.Error{Fault: reason.Transient, Reason: reason.New(reason.ServerRefused, "address", address, "path", path), After: e.after(res), Err: cause}
	}
	return because(reason.Misconfigured, reason.RequestRefused)
}

// after returns how long a server asked to wait: in seconds, or until a time by its own clock. What is no such thing, and
// what has passed, is nothing; what is absurd is cut to a day.
func (e exchange) after(res *http.Response) time.Duration {
	text := strings.TrimSpace(res.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(maxAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now := e.client.now()
	if theirs, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		now = theirs
	}
	return min(max(at.Sub(now), 0), maxAfter)
}

func (e exchange) unreadable(what string) error {
	return reason.Errorf(reason.Transient, nil, reason.AnswerUnreadable, "address", e.to.Host, "what", what)
}

func (e exchange) tooLarge(limit int64) error {
	return reason.Errorf(reason.Misconfigured, nil, reason.FileTooLarge, "file", e.to.Host+" "+e.path(), "limit", limit)
}

// cut says why an answer could not be read to its end.
func (e exchange) cut(err error, sent *counted) error {
	switch {
	case e.parent.Err() != nil:
		return ended(e.parent, e.to.Host)
	case errors.Is(err, errTooLarge):
		return e.tooLarge(e.client.cfg.Limits.MaxBytes)
	case e.limit.Err() != nil:
		return reason.Errorf(reason.Transient, nil, reason.NoAnswer, "address", e.to.Host, "time", e.client.cfg.Timeout)
	default:
		return reason.Errorf(reason.Transient, nil, reason.TransferCut, "file", e.to.Host+" "+e.path(), "bytes", sent.n)
	}
}
