package ad_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/goccy/go-yaml"
	"github.com/google/uuid"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/services/target-active-directory/ad"
)

// letters are the passwords of a school: the last one waits to be handed out.
type letters struct{ given []string }

func (l *letters) New(context.Context, roster.Key, roster.Role, string) (target.Password, error) {
	l.given = append(l.given, fmt.Sprintf("Prov.losen.%d7", len(l.given)))
	return target.Password{Secret: roster.Personal(l.given[len(l.given)-1]), Kept: true}, nil
}

// TestTheLetterOpensTheAccount: an account that was made by an attempt whose answer was lost has the password that waits to
// be handed out, not the one before it.
func TestTheLetterOpensTheAccount(t *testing.T) {
	t.Parallel()
	dc := newController(t)
	p := dc.peer(t)
	config := ad.Connector().New()
	if err := yaml.UnmarshalWithOptions([]byte(p.settings()), config, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	kept := &letters{}
	made, err := config.Open(target.Env{Tenant: "prov", Now: time.Now, Logger: slog.New(slog.DiscardHandler), Passwords: kept})
	if err != nil {
		t.Fatal(err)
	}
	key := roster.Key(uuid.MustParse("3f0c5b1e-0000-4000-8000-000000000001"))
	create := target.Operation{Verb: target.Create, Resource: target.Resource{
		ID: target.ID{Kind: "user", Key: key.String() + ".pupil"}, Entity: roster.Ref{Kind: roster.KindPerson, Key: key},
		Fields: target.Fields{
			{Name: "cn", Value: "tespro"}, {Name: "sAMAccountName", Value: "tespro"}, {Name: "userPrincipalName", Value: "tespro@elev.skola.test"},
		},
	}}
	for attempt := range 2 {
		out := made.Applier.Apply(t.Context(), []target.Operation{create})
		if out[0].Err != nil || out[0].Native == "" {
			t.Fatalf("attempt %d: %+v", attempt, out[0])
		}
		conn, err := ldap.DialURL("ldaps://"+dc.addr, ldap.DialWithTLSConfig(&tls.Config{RootCAs: dc.pool, ServerName: dc.name, MinVersion: tls.VersionTLS12}))
		if err != nil {
			t.Fatal(err)
		}
		err = conn.Bind("tespro@elev.skola.test", kept.given[len(kept.given)-1])
		conn.Close()
		if err != nil {
			t.Fatalf("attempt %d: the letter does not open the account: %v", attempt, err)
		}
	}
	if n := len(p.search(p.base, "(sAMAccountName=tespro)", "1.1")); n != 1 || len(kept.given) != 2 {
		t.Errorf("%d accounts and %d passwords, want 1 and 2", n, len(kept.given))
	}
}
