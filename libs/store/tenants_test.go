package store

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"eventful.se/ess/libs/reason"
)

func TestTenantsKeepEveryVersion(t *testing.T) {
	s := connect(t, Options{Server: start(t, t.TempDir())})
	tenants := s.Tenants()
	_, err := tenants.Newest(t.Context(), demo)
	wantCode(t, err, reason.LogMissing, reason.Misconfigured)
	for range 2 { // to make it twice is to make it once
		if err := s.EnsureTenants(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	none, err := tenants.Newest(t.Context(), demo)
	if err != nil || none.Number != 0 || none.InForce() || none.Retired() {
		t.Fatalf("of a tenant that was never applied: %+v, %v", none, err)
	}
	first, err := tenants.Put(t.Context(), none, []byte("tenant: grynkoping\n"), "Åsa\nb: c")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tenants.Put(t.Context(), none, []byte("x"), "berit"); !errors.Is(err, ErrTenantChanged) {
		t.Errorf("two who apply at once: %v", err)
	}
	second, err := tenants.Put(t.Context(), first, []byte("tenant: grynkoping\ntitle: G\n"), "berit")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tenants.Put(t.Context(), second, nil, "berit"); err != nil {
		t.Fatal(err)
	}
	if _, err := tenants.Put(t.Context(), TenantVersion{Tenant: "lund"}, []byte("tenant: lund\n"), "cilla"); err != nil {
		t.Fatal(err)
	}
	history, err := tenants.History(t.Context(), demo)
	if err != nil || len(history) != 3 {
		t.Fatalf("%d versions, %v", len(history), err)
	}
	for i, v := range history {
		if v.Number != i+1 || v.Tenant != demo || v.At.IsZero() || v.Digest != DocumentDigest(v.Document) {
			t.Errorf("version %d is %+v", i+1, v)
		}
	}
	if v := history[0]; v.Who != "Åsa\nb: c" || string(v.Document) != "tenant: grynkoping\n" || !v.InForce() {
		t.Errorf("the first version is %+v", v)
	}
	if newest, err := tenants.Newest(t.Context(), demo); err != nil || !newest.Retired() || newest.InForce() {
		t.Errorf("the newest version is %+v, %v", newest, err)
	}
	list, err := tenants.List(t.Context())
	if err != nil || len(list) != 2 || list[0].Number+list[1].Number != 4 {
		t.Errorf("listed %+v, %v", list, err)
	}
	if _, err := tenants.Put(t.Context(), TenantVersion{Tenant: "a.b"}, []byte("x"), "d"); err == nil {
		t.Error("a tenant that is no token is taken")
	}
	if err := s.purge(t.Context(), tenantsStream, jetstream.WithPurgeSubject(tenantSubjects+demo)); err == nil {
		t.Error("what was applied can be purged")
	}
}

func TestEraseTenant(t *testing.T) {
	s := open(t)
	for range 2 {
		if err := s.EraseTenant(t.Context(), demo); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Log(demo).End(t.Context())
	wantCode(t, err, reason.LogMissing, reason.Misconfigured)
	if _, err := s.Audit(demo).Entries(t.Context()); err != nil {
		t.Errorf("the audit went too: %v", err)
	}
	if err := s.EnsureTenant(t.Context(), demo, 1); err != nil {
		t.Errorf("it cannot be made anew: %v", err)
	}
}
