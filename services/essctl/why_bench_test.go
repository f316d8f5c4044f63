package main

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/target"
)

// benchPupils make, with staff, a tenant of more than 100,000 persons.
const benchPupils = 92_000

// BenchmarkWhy asks about one person of a large municipality, from the start of the command to the end of what it prints:
// with a directory whose ledger has an entry for everybody, and an Apple School Manager whose set was delivered. To make
// them takes a minute or two.
func BenchmarkWhy(b *testing.B) {
	w := newWorld(b, benchPupils)
	if err := w.store.EnsureTenants(b.Context(), 1); err != nil {
		b.Fatal(err)
	}
	w.essctl(0, "tenants", "apply", w.document(), "--why", "a test")
	w.run()
	w.essctl(0, "tenants", "apply", "--why", "a test", w.document("links:\n", fmt.Sprintf("links:\n  - {target: memory, mode: active, settings: {file: %q}}\n", filepath.Join(w.dir, "memory.json"))))

	var of []roster.Ref
	var entries []target.Entry
	var asked roster.Record
	id := func(kind string, k roster.Key) target.ID { return target.ID{Kind: kind, Key: k.String()} }
	_, err := w.store.Log("prov").Load(b.Context(), func(e roster.Event) error {
		if e.Record == nil {
			return nil
		}
		en := target.Entry{Entity: e.Ref, Held: true, State: target.Applied, Cause: target.Cause{Seq: e.Seq, Run: e.Run, When: e.Time}}
		switch r := e.Record; {
		case r.Person != nil:
			en.ID = id("user", e.Ref.Key)
			for _, name := range []string{"username", "givenName", "familyName", "email"} {
				en.Fields = append(en.Fields, target.Field{Name: name, Value: r.Person.FamilyName + r.Person.GivenName})
			}
			if of = append(of, e.Ref); len(r.Person.Enrolments) > 0 && !r.Person.CivicNo.IsZero() && len(of) > benchPupils/2 && asked.Person == nil {
				asked = *r
			}
		case r.Group != nil:
			en.ID = id("group", e.Ref.Key)
			set := target.Set{Name: "members"}
			for _, m := range r.Group.Members {
				set.Members = append(set.Members, id("user", m.Person))
			}
			en.Sets = []target.Set{set}
		default:
			en.ID = id("unit", e.Ref.Key)
		}
		entries = append(entries, en)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	book, err := w.store.Ledger("prov").Own(b.Context(), roster.Source{System: "memory", Instance: "default"}, target.Owner{Name: "test"})
	if err != nil {
		b.Fatal(err)
	}
	end, err := w.store.Log("prov").End(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if err := book.Save(b.Context(), entries, target.Mark{Cursor: end, Status: target.Status{Mode: target.ModeActive}}); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d persons, %d entries", len(of), len(entries))

	getenv := func(name string) string { return map[string]string{"ESS_NATS_URL": w.url}[name] }
	for name, args := range map[string][]string{
		"key": {"--key", asked.Ref.Key.String()}, "id": {"--source", "alvis", "--id", asked.Origins[0].ID.Reveal()},
		"directory": {"--key", asked.Ref.Key.String(), "--link", "memory"}, "set": {"--key", asked.Ref.Key.String(), "--link", "apple-school-manager"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if status := run(b.Context(), append([]string{"why", "--tenant", "prov"}, args...), io.Discard, b.Output(), getenv, time.Now); status != 0 {
					b.Fatal("status", status)
				}
			}
		})
	}
}
