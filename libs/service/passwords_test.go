package service

import (
	"bytes"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/handout"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/store/storetest"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/tenant"
)

func TestAPasswordIsKeptSealedAndNowhereElse(t *testing.T) {
	srv, err := store.Embedded(store.ServerOptions{Dir: t.TempDir(), Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	st, err := store.Connect(t.Context(), store.Options{Server: srv, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	if err := st.EnsureTenant(t.Context(), "lund", 1); err != nil {
		t.Fatal(err)
	}
	private, public, err := handout.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	ids, err := handout.ReadIdentities(strings.NewReader(private))
	if err != nil {
		t.Fatal(err)
	}
	source := roster.Source{System: "test", Instance: "default"}
	key := func(n byte) roster.Key { return roster.Key{15: n} }
	person := func(n byte, at byte) roster.Event {
		rec := roster.Record{Ref: roster.Ref{Kind: roster.KindPerson, Key: key(n)}, Source: source, Person: &roster.Person{
			GivenName: "Kanaria", FamilyName: "Fågelsång", Enrolments: []roster.Enrolment{{EnroledAt: key(at), SchoolType: roster.SchoolGR, SchoolYear: "1", Interval: roster.Interval{Start: 20200101}}},
		}}
		if n == 9 {
			rec.Person.Marking = roster.MarkingProtected
		}
		return roster.Event{Ref: rec.Ref, Source: source, Record: &rec}
	}
	unit := func(n byte, name, code string) roster.Event {
		rec := roster.Record{Ref: roster.Ref{Kind: roster.KindOrganisation, Key: key(n)}, Source: source, Organisation: &roster.Organisation{DisplayName: name, Type: roster.SchoolUnit, UnitCodes: []string{code}}}
		return roster.Event{Ref: rec.Ref, Source: source, Record: &rec}
	}
	class := roster.Record{Ref: roster.Ref{Kind: roster.KindGroup, Key: key(50)}, Source: source, Group: &roster.Group{
		DisplayName: "1A", Type: roster.Class, Organisation: key(1), SchoolType: roster.SchoolGR,
		Members: []roster.Membership{{Person: key(5), Role: roster.MemberPupil, Interval: roster.Interval{Start: 20200101}}},
	}}
	now := func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }
	var log bytes.Buffer
	feed := target.NewFeed(st.Log("lund"), nil, slog.New(slog.NewTextHandler(&log, nil)), now)
	link := roster.Source{System: "active-directory", Instance: "default"}
	d := &tenant.Document{Tenant: "lund", Handout: tenant.Handout{Units: []tenant.UnitHandout{{Code: "00000001", Recipients: []string{public, public}}}}}
	x := &passwords{d, d.PasswordRules(), link, feed, st.Letters("lund"), rand.Reader, now}
	if _, err := x.New(t.Context(), key(5), roster.RolePupil, "kanfag"); !errors.Is(err, target.ErrNotLoaded) {
		t.Errorf("before the roster is loaded: %v", err)
	}
	feed.Fill(t.Context(), []roster.Event{
		unit(1, "Björkskolan", "00000001"), unit(2, "Ekskolan", "00000002"), person(5, 1), person(6, 2), person(9, 1), {Ref: class.Ref, Source: source, Record: &class},
	})

	p, err := x.New(t.Context(), key(5), roster.RolePupil, "kanfag")
	if err != nil || !p.Kept || p.Change {
		t.Fatalf("%+v, %v", p, err)
	}
	if p, err = x.New(t.Context(), key(5), roster.RolePupil, "kanfag"); err != nil {
		t.Fatal(err)
	}
	other, err := x.New(t.Context(), key(6), roster.RolePupil, "kanfag2")
	if err != nil || other.Kept || other.Secret == "" {
		t.Errorf("of a school without a key: %+v, %v", other, err)
	}
	if _, err := x.New(t.Context(), key(9), roster.RolePupil, "kanfag3"); err == nil {
		t.Error("somebody who is contained got a password")
	}
	list, err := x.letters.List(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("%d letters wait, %v", len(list), err)
	}
	got, err := ids.Open(list[0].Body)
	want := handout.Letter{Made: now(), Name: "Kanaria Fågelsång", Username: "kanfag", Password: p.Secret, Unit: "Björkskolan", Class: "1A"}
	if err != nil || got != want {
		t.Errorf("the letter: unit %q, class %q, the newest password: %t, %v", got.Unit, got.Class, got.Password == p.Secret, err)
	}
	for _, m := range storetest.Messages(t, srv.URL()) {
		all := m.Subject + string(m.Data)
		for _, secret := range []string{"Kanaria", "Fågelsång", "kanfag", p.Secret.Reveal(), other.Secret.Reveal(), "Björkskolan"} {
			if strings.Contains(all, secret) || strings.Contains(log.String(), secret) {
				t.Errorf("%s has a secret", m.Subject)
			}
		}
	}
	if err := x.Drop(t.Context(), key(5), roster.RoleNone); err != nil {
		t.Fatal(err)
	}
	if list, err = x.letters.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%d letters wait, %v", len(list), err)
	}
}

func TestAPreviewMakesNoPasswords(t *testing.T) {
	h := &Host{Store: &store.Store{}, Now: time.Now}
	d, active := &tenant.Document{Tenant: "lund"}, tenant.Link{Target: "memory", Instance: "default", Mode: tenant.Active}
	if h.passwords(d, active, nil) == nil {
		t.Error("an active link has none")
	}
	preview := active
	preview.Mode = tenant.Preview
	for name, got := range map[string]target.PasswordKeeper{
		"of a link in preview": h.passwords(d, preview, nil), "for a preview": (&Host{Store: h.Store, purpose: toPreview}).passwords(d, active, nil),
	} {
		if got != nil {
			t.Errorf("passwords %s: %v", name, got)
		}
	}
}
