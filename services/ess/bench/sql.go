package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/goccy/go-yaml"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/sqlviews"
	"eventful.se/ess/services/ess/municipality"
)

// The steps of a child with a database.
const (
	stepTables      = "tables"       // write the tables as SQL
	stepRows        = "rows"         // read the register to facts, and keep nothing
	stepRowsRecords = "rows-records" // read the register and assemble records
)

// tables writes the municipality as SQL.
func (w *work) tables() error {
	m, err := municipality.Sized(w.size.persons, w.size.groups, w.size.members, w.size.seed)
	if err != nil {
		return err
	}
	file, err := os.Create(w.file)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := m.EncodeSQL(file, nil); err != nil {
		return err
	}
	return file.Close()
}

// rows reads the register by the settings in a file, and gives each doc to one or, at last, all of them to the other.
func (w *work) rows(ctx context.Context, assemble bool) (r report, err error) {
	text, err := os.ReadFile(w.document)
	if err != nil {
		return r, err
	}
	cfg := sqlviews.Default()
	if err := yaml.Unmarshal(text, &cfg); err != nil {
		return r, err
	}
	from := roster.Source{System: "sql", Instance: "default"}
	now := clock()
	keyer, err := roster.NewKeyer([]byte("a pepper of nobody, for measuring only"))
	if err != nil {
		return r, err
	}
	take := func(fact.Doc) error { return nil }
	a := fact.NewAssembler(fact.Options{Source: from, Keyer: keyer, Today: roster.Today(now())})
	if assemble {
		take = a.Add
	}
	read, err := sqlviews.New(cfg, source.Env{Source: from, Logger: slog.New(slog.DiscardHandler), Now: now}).Read(ctx, nil, take)
	if err != nil {
		return r, err
	}
	if !read.Complete || read.Seen["persons"] != w.size.persons {
		return r, fmt.Errorf("saw %v, complete %t, want all %d persons", read.Seen, read.Complete, w.size.persons)
	}
	if assemble {
		r.Count = len(a.Assemble().Records)
		return r, nil
	}
	for _, n := range read.Seen {
		r.Count += n
	}
	return r, nil
}
