// Package preview shows people what a link would do. It is shared by the programs that do.
package preview

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/service"
	"eventful.se/ess/libs/store"
	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/workbook"
	"eventful.se/ess/libs/tenant"
)

// Long says what a preview is, for a command's help.
const Long = `Show what a link of a tenant would create, change and take away now, and what it would not send and why, with the verdict of
the pre-flight. Nothing is written, to the target or the ledger, and whoever runs the link goes on. None of the tenant's
secrets is read.

Standard output gets the counts, and with --rows each resource's key, what would be done, and why. With -o the whole is
written as an Excel workbook for the school to read and sign: who and at which school, what happens, and what to do about
those who are not sent. It holds names; keep it as you would keep the register.`

// Options say how to show a preview.
type Options struct {
	File     string // the workbook to write; empty for none
	Language string // of the workbook: sv or en
	Rows     bool   // every row, without names
}

// Flags adds the flags to a command.
func (o *Options) Flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.File, "output", "o", "", "write an Excel workbook to this file, such as lund.xlsx")
	f.StringVar(&o.Language, "language", string(reason.Swedish), "of the workbook: sv or en")
	f.BoolVar(&o.Rows, "rows", false, "show each row's key, what would be done, and why; no names")
}

// Validate says what is wrong with the options.
func (o *Options) Validate() error {
	if o.Language != string(reason.Swedish) && o.Language != string(reason.English) {
		return fmt.Errorf("--language is %q: write sv or en", o.Language)
	}
	if o.File != "" && filepath.Ext(o.File) != ".xlsx" {
		return fmt.Errorf("-o is %q: a preview is written as an Excel workbook, to a file that ends with .xlsx", o.File)
	}
	return nil
}

// Host returns a host that previews on a log.
func Host(ctx context.Context, st *store.Store, logger *slog.Logger, now func() time.Time) (*service.Host, error) {
	telemetry, err := service.NewTelemetry(ctx, "ess-preview", false)
	if err != nil {
		return nil, err
	}
	return &service.Host{Store: st, Owner: "preview", Logger: logger, Telemetry: telemetry, Now: now, NewID: uuid.NewString, Complete: true}, nil
}

// Link reads the name of a link: its target's system, and /instance if it has one.
func Link(name string) (roster.Source, error) {
	if ref, err := roster.ParseSource(name); err == nil {
		return ref, nil
	}
	return roster.ParseSource(name + "/default")
}

// Show previews a link of a document, and shows it.
func (o *Options) Show(ctx context.Context, h *service.Host, d *tenant.Document, link roster.Source, targets []target.Connector, out io.Writer) error {
	if err := o.Validate(); err != nil {
		return err
	}
	s, err := h.Preview(ctx, d, link, targets)
	switch {
	case err != nil:
		return err
	case s.Halted != nil && len(s.Problems) == 0:
		return fmt.Errorf("%s %s", s.Halted, s.Halted.Next(reason.English))
	case s.Deferred != "":
		return fmt.Errorf("there is nothing to preview now: %s", s.Deferred)
	}
	o.print(out, s)
	if o.File == "" {
		return nil
	}
	return o.write(workbook.Preview{
		Tenant: d.Title, Link: link.String(), When: h.Now().In(roster.Stockholm()).Format("2006-01-02 15:04"), Rows: s.Rows, Names: s.Names, Faults: s.Problems,
	})
}

func (o *Options) write(v workbook.Preview) (err error) {
	f, err := os.OpenFile(o.File, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return workbook.Write(f, v, reason.Language(o.Language))
}

func (o *Options) print(out io.Writer, s target.Settled) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "kind\tcreate\tchange\tdisable\tremove\tnot sent\t")
	waiting := map[string]int{}
	for _, r := range s.Rows {
		if r.Verb == "" {
			waiting[r.ID.Kind]++
		} else {
			waiting[r.ID.Kind] += 0
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(waiting)) {
		d := s.Kinds[kind]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t\n", kind, d.Created, d.Updated, d.Disabled, d.Deleted, waiting[kind])
	}
	_ = w.Flush()
	if len(s.Rows) == 0 {
		fmt.Fprintln(out, "nothing would change")
	}
	if o.Rows {
		fmt.Fprintln(out)
		Rows(out, s.Rows)
	}
	for _, p := range s.Problems {
		fmt.Fprintf(out, "pre-flight: %s: %s %s\n", p.ID, p.Reason.Text(reason.English), p.Reason.Next(reason.English))
	}
}

// Rows prints the key, what would be done and why of each row. It prints nothing that a resource holds.
func Rows(out io.Writer, rows []target.Row) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RESOURCE\tWHAT\tWHY")
	for _, r := range rows {
		what, why := string(r.Verb), "-"
		switch {
		case r.Verb == "":
			what = "not sent"
		case r.FoundBy != "":
			if why = fmt.Sprintf("is %s there, by %s", r.Native, r.FoundBy); r.Verb != target.Use {
				what = "take over"
			}
			if r.Enable {
				why += "; it is disabled there, and would not be"
			}
		}
		if r.Reason != nil {
			why = r.Reason.Text(reason.English)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.ID, what, why)
	}
	_ = w.Flush()
}
