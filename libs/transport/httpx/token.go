package httpx

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"eventful.se/ess/libs/reason"
)

// The library for this, golang.org/x/oauth2, has the whole answer of the token endpoint in its errors, no limit to how
// long or how large that answer may be, and a clock of its own.

// token is what a sign-in gave.
type token struct {
	value string
	until time.Time // when it is fetched anew; zero for when it is refused
}

// How long before its end a token is fetched anew, so that it does not end on its way.
const tokenMargin = 30 * time.Second

// user is what errors call us.
func (c *Client) user() string {
	switch c.cfg.Auth.Kind {
	case ClientCredentials:
		return c.cfg.Auth.ClientID
	case Bearer, APIKey:
		return c.cfg.Auth.Token.String()
	default:
		return "-"
	}
}

// authorization returns the headers that a call is signed with.
func (c *Client) authorization(ctx context.Context) (http.Header, error) {
	h := http.Header{}
	switch a := c.cfg.Auth; a.Kind {
	case ClientCredentials:
		value, err := c.signIn(ctx)
		if err != nil {
			return nil, err
		}
		h.Set("Authorization", "Bearer "+value)
	case Bearer, APIKey:
		value, err := reveal(a.Token)
		if err != nil {
			return nil, err
		}
		if bytes.ContainsAny(value, "\r\n\x00") {
			return nil, unusable(string(a.Token), "it has more than one line")
		}
		if a.Kind == Bearer {
			h.Set("Authorization", "Bearer "+string(value))
		} else {
			h.Set(a.Header, string(value))
		}
	}
	return h, nil
}

// signIn returns the token, fetched anew when it has ended.
func (c *Client) signIn(ctx context.Context) (string, error) {
	select {
	case c.signing <- struct{}{}:
		defer func() { <-c.signing }()
	case <-ctx.Done():
		return "", ended(ctx, c.cfg.Auth.TokenURL)
	}
	if t := c.token; t.value != "" && (t.until.IsZero() || c.now().Before(t.until)) {
		return t.value, nil
	}
	t, err := c.fetchToken(ctx)
	if err != nil {
		return "", err
	}
	c.token = t
	return t.value, nil
}

// forget has the next call sign in anew.
func (c *Client) forget() {
	c.signing <- struct{}{}
	c.token = token{}
	<-c.signing
}

// fetchToken asks the token endpoint once.
func (c *Client) fetchToken(ctx context.Context) (t token, err error) {
	a := c.cfg.Auth
	to, err := url.Parse(a.TokenURL)
	if err != nil {
		return t, reason.Errorf(reason.Misconfigured, nil, reason.Unreachable, "address", "tokenURL")
	}
	secret, err := reveal(a.ClientSecret)
	if err != nil {
		return t, err
	}
	transport, err := c.roundTripper()
	if err != nil {
		return t, err
	}
	limit, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	form := url.Values{"grant_type": {"client_credentials"}}
	if a.Scope != "" {
		form.Set("scope", a.Scope)
	}
	if a.Style != Basic {
		form.Set("client_id", a.ClientID)
		form.Set("client_secret", string(secret))
	}
	e := exchange{client: c, parent: ctx, limit: limit, to: to, route: to.Path}
	req, err := http.NewRequestWithContext(limit, http.MethodPost, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return t, reason.Errorf(reason.Misconfigured, nil, reason.Unreachable, "address", to.Host)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if a.Style == Basic { // RFC 6749, 2.3.1: both are encoded as in a form first
		req.SetBasicAuth(url.QueryEscape(a.ClientID), url.QueryEscape(string(secret)))
	}
	asked := c.now()
	res, err := transport.RoundTrip(req)
	if err != nil {
		return t, e.failed(err)
	}
	defer res.Body.Close()
	body, bodyErr := e.body(res)
	if res.StatusCode != http.StatusOK {
		return t, e.tokenRefused(res, body)
	}
	if bodyErr != nil {
		return t, bodyErr
	}
	var got struct {
		Value   string      `json:"access_token"`
		Type    string      `json:"token_type"`
		Expires json.Number `json:"expires_in"`
	}
	if json.Unmarshal(body, &got) != nil || got.Value == "" || strings.ContainsAny(got.Value, "\r\n\x00") {
		return t, e.unreadable("it has no token")
	}
	if !strings.EqualFold(cmp.Or(got.Type, "bearer"), "bearer") {
		return t, e.unreadable("its token is not a bearer token")
	}
	t.value = got.Value
	if seconds, err := got.Expires.Float64(); err == nil && seconds > 0 && seconds < (365*24*time.Hour).Seconds() {
		life := time.Duration(seconds * float64(time.Second))
		t.until = asked.Add(life - min(tokenMargin, life/10))
	}
	return t, nil
}

// tokenRefused says why there is no token. Of the answer only the code of RFC 6749 is looked at. Its errors have no
// status: that of a token endpoint says nothing about what the API has.
func (e exchange) tokenRefused(res *http.Response, body []byte) error {
	var why struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &why) // what it does not say, the status does
	address, user := e.to.Host, e.client.user()
	switch status := res.StatusCode; {
	case why.Error == "invalid_client" || why.Error == "unauthorized_client" || why.Error == "invalid_grant" || status == http.StatusUnauthorized:
		return reason.Errorf(reason.Misconfigured, nil, reason.WrongCredentials, "address", address, "user", user)
	case why.Error == "invalid_scope":
		return reason.Errorf(reason.Misconfigured, nil, reason.ScopeRefused, "address", address, "user", user)
	case status >= http.StatusInternalServerError || status == http.StatusTooManyRequests:
		return &reason.Error{Fault: reason.Transient, Reason: reason.Of(e.refused(res)), After: e.after(res)}
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		return reason.Errorf(reason.Misconfigured, nil, reason.RedirectRefused, "address", address, "other", "another address")
	default:
		return reason.Errorf(reason.Misconfigured, nil, reason.RequestRefused, "address", address, "path", e.path(), "status", status)
	}
}
