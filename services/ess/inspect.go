package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/ims"
	"eventful.se/ess/libs/reason"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/tenant"
	"eventful.se/ess/libs/transport/sftp"
	"eventful.se/ess/services/connectors"
)

// inspectPepper makes the keys that inspect prints where no tenant's pepper is given. They are the same for everyone,
// so they fit no tenant's log.
const inspectPepper = "ess inspect: not a secret, and no tenant's pepper"

type inspection struct {
	system  string
	format  string
	profile string
	pepper  string
	report  string
	reveal  bool
	today   string
}

func inspectCommand() *cobra.Command {
	var in inspection
	cmd := &cobra.Command{
		Use:   "inspect (--source SYSTEM | --format ims [--profile FILE]) FILE",
		Short: "Read an export without publishing anything",
		Long: `Read an export as a source would, and publish nothing. Standard output gets one record a line as JSON:

  {"kind":"person","key":"…","record":{…}}

The last line of standard error is one JSON object: the elements read from the file, what was assembled of them, and the
findings. Names and numbers are masked unless --show-personal is given. FILE may be a zip archive; - is standard input.

With --report, standard output gets a report for the school instead, in Swedish or English: what was in the file per
school and type of group, and what is missing. It names nobody.

Exit status: 0 when the file was read to its end, 2 when it is unreadable or ends too early. A file that says of itself that
it holds only what changed is read to its end too; the summary then has "complete":false.`,
		Example: "  ess inspect --source alvis export.xml | jq .record\n  ess inspect --format ims --profile customer.yaml export.xml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return in.run(cmd.Context(), args[0], cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.system, "source", "", "the system that wrote the file: "+strings.Join(fileSystems(), ", "))
	f.StringVar(&in.format, "format", "", "the format of the file: ims")
	f.StringVar(&in.profile, "profile", "", "with --format: a YAML file that says what the export means by its types and roles")
	f.StringVar(&in.pepper, "pepper", "", "file:PATH or env:NAME of a tenant's pepper, to see the keys of its log")
	f.StringVar(&in.report, "report", "", "print a report for people instead of the records: sv or en")
	f.BoolVar(&in.reveal, "show-personal", false, "print names and identity numbers")
	f.StringVar(&in.today, "today", roster.Today(time.Now()).String(), "the day that settles the century of ten-digit identity numbers")
	cmd.MarkFlagsOneRequired("source", "format")
	cmd.MarkFlagsMutuallyExclusive("source", "format")
	cmd.MarkFlagsMutuallyExclusive("report", "show-personal")
	return cmd
}

// fileSystems lists the sources whose data is a file.
func fileSystems() (out []string) {
	for _, c := range connectors.Sources() {
		if s, err := c.New().Open(source.Env{Logger: slog.New(slog.DiscardHandler), Now: time.Now}); err == nil {
			if _, ok := s.(source.FileReader); ok {
				out = append(out, c.System)
			}
		}
	}
	return out
}

func (in inspection) run(ctx context.Context, path string, stdin io.Reader, stdout, stderr io.Writer) error {
	read, origin, err := in.reader()
	if err != nil {
		return err
	}
	keyer, err := in.keyer()
	if err != nil {
		return err
	}
	today, err := roster.ParseDate(in.today)
	if err != nil {
		return fmt.Errorf("--today is %q: %w", in.today, err)
	}
	if in.report != "" && in.report != string(reason.Swedish) && in.report != string(reason.English) {
		return fmt.Errorf("--report is %q: write sv or en", in.report)
	}
	name, file, err := open(path, stdin)
	if err != nil {
		return unreadable(err)
	}
	defer file.Close()
	assembler := fact.NewAssembler(fact.Options{Source: origin, Keyer: keyer, Today: today})
	result, err := read(ctx, name, file, assembler.Add)
	if err != nil {
		return unreadable(err)
	}
	assembled := assembler.Assemble()
	if in.report != "" {
		_, err = io.WriteString(stdout, fact.NewReport(assembled).Text(reason.Language(in.report)))
	} else {
		err = printRecords(stdout, assembled.Records, in.reveal)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(stderr).Encode(summarize(result, assembled))
}

// unreadable is an error of the file, with its reason.
func unreadable(err error) error {
	if known, ok := errors.AsType[*reason.Error](err); ok {
		err = fmt.Errorf("%w\n     what to do: %s", err, known.Reason.Next(reason.English))
	}
	return &exitError{2, err}
}

type readFile func(ctx context.Context, name string, r io.Reader, emit func(fact.Doc) error) (source.Result, error)

func (in inspection) reader() (readFile, roster.Source, error) {
	if in.format != "" {
		return in.formatReader()
	}
	if in.profile != "" {
		return nil, roster.Source{}, errors.New("--profile goes with --format; a source has its own profile")
	}
	for _, c := range connectors.Sources() {
		if c.System != in.system {
			continue
		}
		src := roster.Source{System: c.System, Instance: "default"}
		opened, err := c.New().Open(source.Env{Source: src, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
		if err != nil {
			return nil, src, err
		}
		if files, ok := opened.(source.FileReader); ok {
			return files.ReadFile, src, nil
		}
	}
	return nil, roster.Source{}, fmt.Errorf("--source is %q: choose one of %s", in.system, strings.Join(fileSystems(), ", "))
}

func (in inspection) formatReader() (readFile, roster.Source, error) {
	src := roster.Source{System: in.format, Instance: "default"}
	if in.format != "ims" {
		return nil, src, fmt.Errorf("--format is %q: the formats are: ims", in.format)
	}
	profile := ims.Base()
	if in.profile != "" {
		data, err := os.ReadFile(in.profile)
		if err != nil {
			return nil, src, err
		}
		if profile, err = ims.ParseProfile(data); err != nil {
			return nil, src, fmt.Errorf("%s: %w", in.profile, err)
		}
	}
	return func(ctx context.Context, name string, r io.Reader, emit func(fact.Doc) error) (source.Result, error) {
		spool, err := sftp.NewSpool(name, time.Time{}, r, sftp.Limits{})
		if err != nil {
			return source.Result{}, err
		}
		defer spool.Close()
		s, err := ims.Read(ctx, spool, ims.Options{Profile: profile, File: name}, emit)
		return source.Result{Complete: s.Complete, Origin: name, DataTime: s.DataTime, Seen: s.Seen, Findings: s.Findings}, err
	}, src, nil
}

func (in inspection) keyer() (*roster.Keyer, error) {
	if in.pepper == "" {
		return roster.NewKeyer([]byte(inspectPepper))
	}
	secret, err := tenant.Secret(in.pepper).Reveal()
	if err != nil {
		return nil, fmt.Errorf("--pepper: %w", err)
	}
	return roster.NewKeyer(secret)
}

// open opens a file as it lies there: what is in an archive is for who reads it to say.
func open(path string, stdin io.Reader) (name string, file io.ReadCloser, err error) {
	if path == "-" {
		return "standard input", io.NopCloser(stdin), nil
	}
	f, err := os.Open(path)
	return filepath.Base(path), f, err
}

func printRecords(w io.Writer, records []roster.Record, reveal bool) error {
	out := bufio.NewWriterSize(w, 1<<16)
	var line []byte
	for i := range records {
		line = append(roster.AppendJSON(line[:0], &records[i], reveal), '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

// summary is the last line of standard error.
type summary struct {
	Read      map[string]int `json:"read"`
	Complete  bool           `json:"complete"`
	DataTime  *time.Time     `json:"dataTime,omitempty"`
	Assembled map[string]int `json:"assembled"`
	Findings  []finding      `json:"findings"`
}

type finding struct {
	Code     reason.Code   `json:"code"`
	Severity fact.Severity `json:"severity"`
	Effect   fact.Effect   `json:"effect"`
	Count    int           `json:"count"`
	Where    string        `json:"where,omitempty"`
	Text     string        `json:"text"`
}

func summarize(r source.Result, a fact.Result) summary {
	s := summary{Read: r.Seen, Complete: r.Complete, Assembled: a.Counts, Findings: []finding{}}
	if !r.DataTime.IsZero() {
		s.DataTime = &r.DataTime
	}
	for _, f := range fact.Totals(append(r.Findings, a.Findings...)) {
		s.Findings = append(s.Findings, finding{f.Reason.Code, f.Severity, f.Effect, f.Count, f.Where, f.Reason.Text(reason.English)})
	}
	return s
}
