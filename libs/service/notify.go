package service

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/tenant"
)

// Notifier sends a tenant's status to somebody. An error says that it did not arrive.
type Notifier interface {
	Notify(ctx context.Context, s Status) error
}

// LogNotifier writes a status as a line of the log.
type LogNotifier struct{ Logger *slog.Logger }

// Notify writes the verdict, and every source and link that asks for something.
func (n LogNotifier) Notify(ctx context.Context, s Status) error {
	level, attrs := slog.LevelInfo, []any{"verdict", string(s.Verdict)}
	if s.Verdict != OK {
		level = slog.LevelWarn
	}
	for _, x := range s.Sources {
		if x.Verdict != OK {
			attrs = append(attrs, slog.Group(x.Name, "verdict", string(x.Verdict), "state", string(x.State), "started", x.Started, "believed", x.Believed))
		}
	}
	for _, x := range s.Links {
		if x.Verdict != OK {
			attrs = append(attrs, slog.Group(x.Name, "verdict", string(x.Verdict), "mode", string(x.Mode), "lag", x.Lag, "waiting", x.Waiting, "parked", x.Parked))
		}
	}
	for _, x := range s.Notices {
		attrs = append(attrs, string(x.Code), x.What[reason.English])
	}
	if s.Conflicts > 0 {
		attrs = append(attrs, "conflicts", s.Conflicts)
	}
	if len(s.UnknownUnits) > 0 {
		attrs = append(attrs, "unknown_units", s.UnknownUnits)
	}
	if s.Console != "" {
		attrs = append(attrs, "console", s.Console)
	}
	n.Logger.Log(ctx, level, "status", attrs...)
	return nil
}

// Webhook posts a status as JSON: the fields of [Status], and text with the whole of it in Swedish and English. The address
// is a secret, for it is all that a sender needs: it stands in no log and no error.
type Webhook struct {
	Address tenant.Secret // https://…, or http://… on this machine
	Logger  *slog.Logger
	Client  *http.Client    // of [NewWebhook]
	Wait    backoff.BackOff // between tries
}

// How a webhook is called.
const (
	webhookTries   = 5
	webhookTimeout = 15 * time.Second // of one try
	webhookWait    = time.Minute      // the longest between two tries
)

// NewWebhook returns a webhook that tries five times in some minutes.
func NewWebhook(address tenant.Secret, logger *slog.Logger) *Webhook {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 2*time.Second, webhookWait
	return &Webhook{address, logger, &http.Client{Timeout: webhookTimeout, CheckRedirect: stayAtHome}, wait}
}

// stayAtHome follows a redirect only to the same host, in the same way: the status is for nobody else, and a redirect
// that turns POST into GET would lose it.
func stayAtHome(req *http.Request, via []*http.Request) error {
	const most = 3
	first := via[0]
	if len(via) > most || req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme || req.Method != first.Method {
		return http.ErrUseLastResponse
	}
	return nil
}

// Notify posts the status. What the other side may take later is tried again, what it refuses is not.
func (n *Webhook) Notify(ctx context.Context, s Status) error {
	body, err := json.Marshal(struct {
		Status
		Text Text `json:"text"`
	}{s, Text{reason.Swedish: s.Text(reason.Swedish), reason.English: s.Text(reason.English)}})
	if err != nil {
		return err
	}
	address, err := n.address()
	if err != nil {
		return fmt.Errorf("the status goes to no webhook: %w", err)
	}
	_, err = backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, n.post(ctx, address, body) },
		backoff.WithBackOff(n.Wait), backoff.WithMaxTries(webhookTries), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
			n.Logger.WarnContext(ctx, "the webhook did not take the status; trying again", "webhook", n.Address, "error", err, "in", next)
		}))
	if err != nil {
		return fmt.Errorf("the webhook %s did not take the status: %w", n.Address, err)
	}
	return nil
}

// address returns where the status goes.
func (n *Webhook) address() (string, error) {
	text, err := n.Address.Reveal()
	if err != nil {
		return "", err
	}
	u, err := url.Parse(string(text))
	switch {
	case err != nil || u.Host == "":
		return "", fmt.Errorf("the secret %s is no address: write https://…", n.Address)
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return string(text), nil
	default:
		return "", fmt.Errorf("the address in %s is not https: only on this machine may it be http", n.Address)
	}
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// post makes one try.
func (n *Webhook) post(ctx context.Context, address string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(errors.New("the address cannot be used"))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "ess")
	res, err := n.Client.Do(req)
	if err != nil {
		return blind(err)
	}
	defer res.Body.Close()
	const enough = 64 << 10
	_, _ = io.CopyN(io.Discard, res.Body, enough) // so that the connection can be used again
	switch code := res.StatusCode; {
	case code/100 == 2:
		return nil
	case code/100 == 3:
		return backoff.Permanent(fmt.Errorf("it answers %d and sends us elsewhere: write the address itself", code))
	case code == http.StatusTooManyRequests || code/100 == 5:
		if after, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && after > 0 && after <= int(webhookWait.Seconds()) {
			return backoff.RetryAfter(after)
		}
		return fmt.Errorf("it answers %d", code)
	default:
		return backoff.Permanent(fmt.Errorf("it answers %d: the address is wrong, or not ours any more", code))
	}
}

// blind says what kind of fault an error of the network is, without the address that stands in it.
func blind(err error) error {
	var dns *net.DNSError
	var errno syscall.Errno
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &dns):
		return errors.New("its name cannot be looked up")
	case errors.As(err, &unknown) || errors.As(err, &name):
		return backoff.Permanent(errors.New("its certificate is not one that we trust"))
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("it does not answer in time")
	case errors.As(err, &errno):
		return fmt.Errorf("it cannot be reached: %w", errno)
	default:
		return errors.New("it cannot be reached, or breaks off")
	}
}
