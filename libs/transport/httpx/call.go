package httpx

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"eventful.se/ess/libs/reason"
)

// Request is one call.
type Request struct {
	Method string     // empty for GET
	URL    string     // the whole address, without query
	Query  url.Values // shown nowhere
	// Route is how spans and errors call the path, where it has ids in it: "/persons/{id}"; empty for the path itself.
	Route  string
	Body   []byte // JSON
	Accept string // media type that the answer must have; empty for application/json
	// Repeatable says of a method other than GET that it may be done twice.
	Repeatable bool
}

// Answer is what came of a call with a status of 200 to 299.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Date   time.Time // the server's clock; zero where it does not tell
}

// How calls are tried again.
const (
	longPause  = 30 * time.Second
	maxWait    = 2 * time.Minute // the longest that a server may ask for and be waited for
	maxAfter   = 24 * time.Hour  // the longest that it is believed
	maxRetries = 10              // of a client at once
	repays     = 10              // so many calls that went well give one back
	maxHops    = 5
)

// Do makes a call, and makes it again where that may help. Every error but that of a context has a reason; [Status] tells
// with which status a server refused.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	to, err := url.Parse(r.URL)
	if err != nil {
		return nil, fmt.Errorf("address of a call: %w", errors.Unwrap(err))
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if r.Route == "" {
		r.Route = to.Path
	}
	if r.Accept == "" {
		r.Accept = "application/json"
	}
	to.RawQuery = r.Query.Encode()
	// The tracer is that of the span that the call is part of: a client has none of its own.
	ctx, span := trace.SpanFromContext(ctx).TracerProvider().Tracer("ess").Start(ctx, r.Method+" "+r.Route, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("server.address", to.Hostname()), attribute.String("url.template", r.Route)))
	defer span.End()
	answer, tries, err := c.tries(ctx, r, to)
	span.SetAttributes(attribute.Int("http.request.resend_count", tries-1), attribute.Int("http.response.status_code", Status(err)))
	if err != nil {
		span.SetStatus(codes.Error, string(reason.Of(err).Code))
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", answer.Status), attribute.Int("http.response.body.size", len(answer.Body)))
	return answer, nil
}

// tries makes a call, again and again where that may help.
func (c *Client) tries(ctx context.Context, r Request, to *url.URL) (answer *Answer, n int, err error) {
	pause := &backoff.ExponentialBackOff{InitialInterval: c.cfg.Retry.Pause, Multiplier: 2, RandomizationFactor: 0.5, MaxInterval: longPause}
	pause.Reset()
	signedIn := false
	for n = 1; ; n++ {
		answer, err = c.once(ctx, r, to)
		if Status(err) == http.StatusUnauthorized && c.cfg.Auth.Kind == ClientCredentials && !signedIn {
			signedIn = true // the token ended, or was taken back
			c.forget()
			answer, err = c.once(ctx, r, to)
		}
		if err == nil {
			c.repay()
			return answer, n, nil
		}
		wait := max(reason.AfterOf(err), pause.NextBackOff())
		repeatable := r.Repeatable || r.Method == http.MethodGet || Status(err) == http.StatusTooManyRequests
		if ctx.Err() != nil || reason.FaultOf(err) != reason.Transient || !repeatable || n == c.cfg.Retry.Tries || wait > maxWait || !c.retry() {
			return nil, n, err
		}
		c.log.WarnContext(ctx, "call tried again", "method", r.Method, "host", to.Host, "route", r.Route, "attempt", n, "wait", wait, "error", err)
		if err := c.sleep(ctx, wait); err != nil {
			return nil, n, ended(ctx, to.Host)
		}
	}
}

// retry takes one of the retries that a client has. They run out when most calls fail, and come back as calls go well.
func (c *Client) retry() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retries < repays {
		return false
	}
	c.retries -= repays
	return true
}

func (c *Client) repay() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retries = min(maxRetries*repays, c.retries+1)
}

// once makes a call, and follows redirects on the same host.
func (c *Client) once(ctx context.Context, r Request, to *url.URL) (*Answer, error) {
	auth, err := c.authorization(ctx)
	if err != nil {
		return nil, err
	}
	for range maxHops {
		if err := c.budget.Wait(ctx); err != nil {
			return nil, explainWait(ctx, to.Host, err)
		}
		answer, next, err := c.exchange(ctx, r, to, auth)
		if err != nil || next == nil {
			return answer, err
		}
		to = next
	}
	return nil, reason.Errorf(reason.Misconfigured, nil, reason.RedirectRefused, "address", to.Host, "other", to.Host)
}

// exchange sends a request once, and reads its answer whole, or returns where it is redirected to.
func (c *Client) exchange(parent context.Context, r Request, to *url.URL, auth http.Header) (*Answer, *url.URL, error) {
	ctx, cancel := context.WithTimeout(parent, c.cfg.Timeout)
	defer cancel()
	e := exchange{client: c, parent: parent, limit: ctx, to: to, route: r.Route}
	transport, err := c.roundTripper()
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, to.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, nil, fmt.Errorf("call of %s: the request cannot be made", to.Host)
	}
	maps.Copy(req.Header, auth)
	req.Header.Set("Accept", r.Accept)
	req.Header.Set("Accept-Encoding", "gzip") // so that this package, and not the transport, unpacks it within limits
	req.Header.Set("User-Agent", "eventful-school-sync")
	if len(r.Body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, nil, e.failed(err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		next, err := e.redirected(r, res)
		return nil, next, err
	}
	if res.StatusCode < http.StatusOK || res.StatusCode >= http.StatusMultipleChoices {
		return nil, nil, e.refused(res)
	}
	body, err := e.body(res)
	if err != nil {
		return nil, nil, err
	}
	if len(body) > 0 && !sameType(res.Header.Get("Content-Type"), r.Accept) {
		return nil, nil, e.unreadable("its type is " + typeOf(res.Header.Get("Content-Type")))
	}
	a := &Answer{Status: res.StatusCode, Header: res.Header, Body: body}
	a.Date, _ = http.ParseTime(res.Header.Get("Date"))
	return a, nil, nil
}

// redirected returns where a redirect leads, if that is the same host by the same or a better scheme.
func (e exchange) redirected(r Request, res *http.Response) (*url.URL, error) {
	next, err := e.to.Parse(res.Header.Get("Location"))
	if err != nil || res.Header.Get("Location") == "" {
		return nil, e.unreadable("a redirect without address")
	}
	if next.Host != e.to.Host || next.Scheme != e.to.Scheme || r.Method != http.MethodGet || next.User != nil {
		return nil, reason.Errorf(reason.Misconfigured, nil, reason.RedirectRefused, "address", e.to.Host, "other", next.Scheme+"://"+next.Host)
	}
	return next, nil
}

// sameType tells whether an answer is of the type that was asked for: of application/json also what ends in +json. An
// answer that does not say is judged by who reads it.
func sameType(got, want string) bool {
	kind := typeOf(got)
	return got == "" || kind == want || want == "application/json" && (strings.HasSuffix(kind, "+json") || kind == "text/json")
}

// typeOf returns the media type without its parameters; of what is none, nothing of it.
func typeOf(header string) string {
	kind, _, err := mime.ParseMediaType(header)
	if err != nil || len(kind) > 64 {
		return "not said"
	}
	return kind
}

// body reads an answer whole.
func (e exchange) body(res *http.Response) ([]byte, error) {
	limits := e.client.cfg.Limits
	if res.ContentLength > limits.MaxBytes {
		return nil, e.tooLarge(limits.MaxBytes)
	}
	sent := &counted{r: res.Body, left: limits.MaxBytes}
	var unpacked io.Reader = sent
	switch encoding := strings.ToLower(res.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(sent)
		if err != nil {
			if errors.Is(err, io.EOF) && sent.n == 0 {
				return nil, nil
			}
			return nil, e.cut(err, sent)
		}
		defer z.Close()
		unpacked = z
	default:
		return nil, e.unreadable("its encoding is not gzip")
	}
	var b bytes.Buffer
	if n := res.ContentLength; n > 0 && unpacked == sent {
		b.Grow(int(n) + bytes.MinRead)
	}
	switch n, err := io.Copy(&b, io.LimitReader(unpacked, limits.MaxUnpacked+1)); {
	case err != nil:
		return nil, e.cut(err, sent)
	case e.limit.Err() != nil:
		// A server may end its answer in good order when it hears that we are going, in the moment before we are gone.
		return nil, e.cut(e.limit.Err(), sent)
	case n > limits.MaxUnpacked:
		return nil, e.tooLarge(limits.MaxUnpacked)
	}
	return b.Bytes(), nil
}

// counted reads no more than it is allowed, and knows how much it was.
type counted struct {
	r    io.Reader
	n    int64
	left int64
}

// errTooLarge ends the reading of an answer that is larger than allowed.
var errTooLarge = errors.New("larger than allowed")

// Read reads, and fails with errTooLarge once more came than is allowed.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.left -= int64(n); c.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
