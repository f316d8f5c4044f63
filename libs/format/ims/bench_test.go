package ims

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"eventful.se/ess/libs/fact"
)

// generate returns a document with so many persons and groups, and memberships of four for each person, one membership
// element each unless grouped. Every tenth group is a school.
func generate(persons, groups int, grouped bool) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<enterprise>
 <properties lang="sv"><datasource>Testregister</datasource><type>full</type><datetime>2026-08-20T18:00:00</datetime></properties>
`)
	for i := range persons {
		fmt.Fprintf(&b, ` <person>
  <sourcedid><source>Testregister</source><id>p%d</id></sourcedid>
  <userid useridtype="PID">18%06d-%04d</userid>
  <name><fn>Testa%d Åkesdotter</fn><n><family>Åkesdotter</family><given>Testa%d</given></n></name>
  <email>testa%d@skola.example</email>
  <institutionrole primaryrole="Yes" institutionroletype="Student"/>
 </person>
`, i, i%1000000, i%10000, i, i, i)
	}
	for i := range groups {
		scheme, level, text := "pifu-ims-go-grp", 2, "Undervisningsgrupp"
		if i%10 == 0 {
			scheme, level, text = "pifu-ims-go-org", 2, "Skola"
		}
		fmt.Fprintf(&b, ` <group>
  <sourcedid><source>Testregister</source><id>g%d</id></sourcedid>
  <grouptype><scheme>%s</scheme><typevalue level="%d">%s</typevalue></grouptype>
  <description><short>Grupp %d</short></description>
  <timeframe><begin restrict="1">2026-08-17</begin><end restrict="1">2027-06-11</end></timeframe>
`, i, scheme, level, text, i)
		if i%10 != 0 {
			fmt.Fprintf(&b, `  <relationship relation="1"><sourcedid><source>Testregister</source><id>g%d</id></sourcedid><label>skola</label></relationship>
`, i/10*10)
		}
		b.WriteString(" </group>\n")
	}
	open := func(g int) {
		fmt.Fprintf(&b, ` <membership>
  <sourcedid><source>Testregister</source><id>g%d</id></sourcedid>
`, g)
	}
	member := func(p int) {
		fmt.Fprintf(&b, `  <member>
   <sourcedid><source>Testregister</source><id>p%d</id></sourcedid>
   <idtype>1</idtype>
   <role roletype="01"><status>1</status><timeframe><begin restrict="1">2026-08-17</begin><end restrict="1">2027-06-11</end></timeframe></role>
  </member>
`, p)
	}
	per := max(1, 4*persons/groups)
	for g := range groups {
		if grouped {
			open(g)
		}
		for i := range per {
			if !grouped {
				open(g)
			}
			member((g*7 + i*groups/4) % persons)
			if !grouped {
				b.WriteString(" </membership>\n")
			}
		}
		if grouped {
			b.WriteString(" </membership>\n")
		}
	}
	b.WriteString("</enterprise>\n")
	return b.Bytes()
}

// BenchmarkRead reads a municipality: 100,000 persons, 10,000 groups, 400,000 memberships.
func BenchmarkRead(b *testing.B) {
	for _, grouped := range []bool{false, true} {
		b.Run(fmt.Sprintf("grouped=%t", grouped), func(b *testing.B) {
			data := generate(100_000, 10_000, grouped)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				docs := 0
				s, err := Read(context.Background(), bytes.NewReader(data), Options{Profile: Alvis()}, func(fact.Doc) error {
					docs++
					return nil
				})
				if err != nil || s.Seen["members"] != 400_000 || docs < 510_000 {
					b.Fatalf("%v, %d docs, %v", s.Seen, docs, err)
				}
			}
		})
	}
}

// BenchmarkScan compares the tokens alone.
func BenchmarkScan(b *testing.B) {
	data := generate(20_000, 2_000, false)
	b.Run("scanner", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			p := Base()
			in, err := newDecoder(bytes.NewReader(data), &p, 1<<40)
			if err != nil {
				b.Fatal(err)
			}
			s := newScanner(context.Background(), in, Limits{}.orDefault(), false)
			for tok := startTag; tok != endOfDoc; {
				if tok, err = s.next(); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("encoding-xml", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			d := xml.NewDecoder(bytes.NewReader(data))
			for {
				if _, err := d.RawToken(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// TestMemory holds a read of a municipality to the memory that it may use.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("does not apply: -short leaves out a read of 37 MB")
	}
	// The document lies in a file, so that the heap is the reader's own.
	path := filepath.Join(t.TempDir(), "input.xml")
	if err := os.WriteFile(path, generate(20_000, 2_000, false), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak uint64
	n := 0
	_, err = Read(context.Background(), f, Options{Profile: Alvis()}, func(fact.Doc) error {
		if n++; n%4_000 == 0 {
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapInuse-min(now.HeapInuse, before.HeapInuse))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("heap in use at most %d MB above the start", peak>>20)
	if peak > 40<<20 {
		t.Errorf("heap in use grew by %d MB, want at most 40", peak>>20)
	}
}
