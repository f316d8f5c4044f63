package store

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"eventful.se/ess/libs/roster"
)

var (
	genText     = rapid.StringMatching(`[a-zåäö0-9 ]{0,6}`)
	genPersonal = rapid.Map(genText, func(s string) roster.Personal { return roster.Personal(s) })
	genDate     = rapid.Map(rapid.Int32Range(0, 99991231), func(n int32) roster.Date { return roster.Date(n) })
	genKey      = rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) roster.Key { return roster.Key(b) })
	genInterval = rapid.Custom(func(t *rapid.T) roster.Interval {
		return roster.Interval{Start: genDate.Draw(t, "start"), End: genDate.Draw(t, "end")}
	})
	genExtra = rapid.Custom(func(t *rapid.T) roster.Extra {
		if m := rapid.MapOfN(genText, genPersonal, 0, 3).Draw(t, "extra"); len(m) > 0 {
			return m
		}
		return nil
	})
	genRecord = rapid.Custom(func(t *rapid.T) roster.Record {
		r := roster.Record{
			Ref:    roster.Ref{Kind: rapid.SampledFrom(roster.Kinds()).Draw(t, "kind"), Key: genKey.Filter(func(k roster.Key) bool { return !k.IsZero() }).Draw(t, "key")},
			Source: alvis, Overlay: rapid.Bool().Draw(t, "overlay"), Former: list(t, "former", genKey),
		}
		if rapid.Bool().Draw(t, "gone") {
			r.Tombstone = &roster.Tombstone{Reason: roster.TombstoneReason(genText.Draw(t, "why")), Became: genKey.Draw(t, "became")}
			return r
		}
		r.Origins = list(t, "origins", rapid.Custom(func(t *rapid.T) roster.Origin {
			return roster.Origin{ID: genPersonal.Draw(t, "id"), Doc: genPersonal.Draw(t, "doc")}
		}))
		r.SameAs = list(t, "same as", genKey)
		r.Directives = list(t, "directives", rapid.Custom(func(t *rapid.T) roster.Directive {
			return roster.Directive{
				Kind: roster.DirectiveKind(genText.Draw(t, "directive")), Until: genDate.Draw(t, "until"), Owner: genPersonal.Draw(t, "owner"),
				Reason: genPersonal.Draw(t, "reason"), Doc: genPersonal.Draw(t, "doc"), Link: genText.Draw(t, "link"),
			}
		}))
		switch r.Ref.Kind {
		case roster.KindOrganisation:
			r.Organisation = &roster.Organisation{
				DisplayName: genText.Draw(t, "name"), Type: roster.OrganisationType(genText.Draw(t, "type")), Parent: genKey.Draw(t, "parent"),
				UnitCodes:   list(t, "codes", genText),
				SchoolTypes: list(t, "types", rapid.Map(genText, func(s string) roster.SchoolType { return roster.SchoolType(s) })),
				Interval:    genInterval.Draw(t, "interval"), Extra: genExtra.Draw(t, "extra"),
			}
		case roster.KindPerson:
			r.Person = genPerson.Draw(t, "person")
		case roster.KindGroup:
			r.Group = &roster.Group{
				DisplayName: genText.Draw(t, "name"), Type: roster.GroupType(genText.Draw(t, "type")), Organisation: genKey.Draw(t, "at"),
				SchoolType: roster.SchoolType(genText.Draw(t, "form")), Subject: genText.Draw(t, "subject"), SchoolYear: genText.Draw(t, "year"),
				Interval: genInterval.Draw(t, "interval"), Extra: genExtra.Draw(t, "extra"),
				Members: list(t, "members", rapid.Custom(func(t *rapid.T) roster.Membership {
					return roster.Membership{
						Person: genKey.Draw(t, "person"), Role: roster.MemberRole(genText.Draw(t, "role")),
						Interval: genInterval.Draw(t, "interval"), Doc: genPersonal.Draw(t, "doc"),
					}
				})),
			}
		}
		return r
	})
	genPerson = rapid.Custom(func(t *rapid.T) *roster.Person {
		return &roster.Person{
			CivicNo:   roster.CivicNoOf(roster.CivicNoKind(genText.Draw(t, "numbers")), genText.Draw(t, "number")),
			GivenName: genPersonal.Draw(t, "given"), MiddleName: genPersonal.Draw(t, "middle"), FamilyName: genPersonal.Draw(t, "family"),
			DisplayName: genPersonal.Draw(t, "display"), BirthDate: genPersonal.Draw(t, "born"), Sex: roster.Sex(genText.Draw(t, "sex")),
			Marking: roster.SecurityMarking(genText.Draw(t, "marking")), Extra: genExtra.Draw(t, "extra"),
			Personas: list(t, "personas", rapid.Custom(func(t *rapid.T) roster.Persona {
				return roster.Persona{
					Role: roster.Role(genText.Draw(t, "role")), Email: genPersonal.Draw(t, "email"),
					Username: genPersonal.Draw(t, "user"), EPPN: genPersonal.Draw(t, "eppn"),
				}
			})),
			Enrolments: list(t, "enrolments", rapid.Custom(func(t *rapid.T) roster.Enrolment {
				return roster.Enrolment{
					EnroledAt: genKey.Draw(t, "at"), SchoolType: roster.SchoolType(genText.Draw(t, "form")), SchoolYear: genText.Draw(t, "year"),
					Programme: genText.Draw(t, "programme"), Interval: genInterval.Draw(t, "interval"), Doc: genPersonal.Draw(t, "doc"),
				}
			})),
			Duties: list(t, "duties", rapid.Custom(func(t *rapid.T) roster.Duty {
				return roster.Duty{
					DutyAt: genKey.Draw(t, "at"), Role: roster.DutyRole(genText.Draw(t, "role")),
					Interval: genInterval.Draw(t, "interval"), Doc: genPersonal.Draw(t, "doc"),
				}
			})),
		}
	})
)

// list draws up to three elements; nil for none, as the wire has no empty lists.
func list[T any](t *rapid.T, name string, g *rapid.Generator[T]) []T {
	if l := rapid.SliceOfN(g, 0, 3).Draw(t, name); len(l) > 0 {
		return l
	}
	return nil
}

func TestRecordSurvivesTheWire(t *testing.T) {
	sameNumber := cmp.Comparer(func(a, b roster.CivicNo) bool { return a == b })
	rapid.Check(t, func(t *rapid.T) {
		want := genRecord.Draw(t, "record")
		b, err := encodeRecord(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeRecord(b)
		if err != nil {
			t.Fatal(err)
		}
		if !cmp.Equal(got, want, sameNumber) {
			t.Fatalf("another record came back: %+v, want %+v", got, want)
		}
	})
}

// A newer minor version adds a field to any message of a record, at any depth.
func TestF5UnknownFieldsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := recordTo(genRecord.Filter(func(r roster.Record) bool { return r.Tombstone == nil }).Draw(t, "record"))
		all := messages(p.ProtoReflect(), nil)
		m := rapid.SampledFrom(all).Draw(t, "message")
		added := protowire.AppendString(protowire.AppendTag(nil, 999, protowire.BytesType), "a field of tomorrow") // which no key looks like
		m.SetUnknown(added)
		wire, err := proto.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeRecord(wire)
		if err != nil {
			t.Fatal(err)
		}
		again, err := encodeRecord(got)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(again, added); n != 1 {
			t.Fatalf("what a newer version added to %s stands %d times, want once", m.Descriptor().Name(), n)
		}
	})
}

// messages returns m and every message in it.
func messages(m protoreflect.Message, all []protoreflect.Message) []protoreflect.Message {
	all = append(all, m)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				all = messages(v.List().Get(i).Message(), all)
			}
		default:
			all = messages(v.Message(), all)
		}
		return true
	})
	return all
}

func TestWhatANewerVersionSaidOfAGoneFactIsLeftOut(t *testing.T) {
	r := person(1, "Testa")
	p := recordTo(r)
	p.GetPerson().GetEnrolments()[0].ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1))
	wire, err := proto.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeRecord(wire)
	if err != nil {
		t.Fatal(err)
	}
	got.Person.Enrolments[0].SchoolYear = "8"
	again, err := encodeRecord(got)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := decodeRecord(again); err != nil || back.Unknown != nil || len(back.Person.Enrolments) != 1 {
		t.Errorf("got %+v, error %v; want the changed enrolment alone", back, err)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for _, r := range []roster.Record{person(1, "Testa"), group(2, roster.Membership{Person: key(1)}), tombstone(person(3, ""), roster.TombstoneLeft)} {
		b, err := encodeRecord(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		if _, err := encodeRecord(r); err != nil {
			t.Errorf("a record that was read cannot be written: %v", err)
		}
	})
}
