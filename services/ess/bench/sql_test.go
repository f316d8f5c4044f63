package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"eventful.se/ess/libs/testbed"
)

var (
	benchProgram = flag.String("program", "", "the program bench, whose processes are measured")
	benchRows    = flag.Int("memberships", 1_000_000, "how many memberships the tables have")
	benchRuns    = flag.Int("runs", 3, "how often each is run; the median counts")
)

// The aims of a read by views.
const (
	aimRows      = 0.5 // of the rows a second of psql
	aimRowsBytes = 256 << 20
)

// views are what is read, in the order in which it is.
var views = []string{"school_units", "enrolments", "duties", "persons", "groups", "memberships"}

// BenchmarkViews reads a register of 1,000,000 memberships out of a PostgreSQL, beside psql, which copies the same views to
// nowhere. `make bench ARGS=sql` runs it; see docs/benchmarks.md.
func BenchmarkViews(b *testing.B) {
	const password = "svala-i-farstun"
	dir := b.TempDir()
	server := testbed.StartPostgres(b)
	s := &stand{options: options{size: size{100_000, 10_000, *benchRows, 1}, runs: *benchRuns, profile: *benchProfile}, self: *benchProgram, stdout: os.Stdout, stderr: os.Stderr}
	ctx := b.Context()
	file := filepath.Join(dir, "register.sql")
	if _, err := s.child(ctx, stepTables, "", "-file", file); err != nil {
		b.Fatal(err)
	}
	admin := func(args ...string) {
		cmd := exec.CommandContext(ctx, "psql", append([]string{"-q", "-v", "ON_ERROR_STOP=1", server.URL("postgres")}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("psql: %v\n%s", err, out)
		}
	}
	admin("-f", file)
	admin("-c", "CREATE ROLE reader LOGIN PASSWORD '"+password+"'; GRANT USAGE ON SCHEMA ess TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA ess TO reader", "-c", "VACUUM ANALYZE")
	secret, settings := filepath.Join(dir, "secret"), filepath.Join(dir, "settings.yaml")
	for name, text := range map[string]string{
		secret: password,
		settings: fmt.Sprintf("driver: postgresql\nhost: %s\nport: %d\ndatabase: postgres\nuser: reader\npassword: 'file:%s'\ncaFile: %s\nschema: ess\n",
			server.Host, server.Port, secret, server.CAFile),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	b.Setenv("PGPASSWORD", password)
	copies := []string{"-q", fmt.Sprintf("postgres://reader@%s/postgres?sslmode=verify-full&sslrootcert=%s", server.Addr, server.CAFile)}
	for _, view := range views {
		copies = append(copies, "-c", `\copy (SELECT * FROM ess.`+view+`) TO /dev/null`)
	}
	got, err := s.times(
		func(int) (sample, error) { return s.child(ctx, stepRows, "rows", "-document", settings) },
		func(int) (sample, error) { return s.child(ctx, stepRowsRecords, "rows-records", "-document", settings) },
		func(int) (sample, error) { return run(ctx, "psql", copies...) },
	)
	if err != nil {
		b.Fatal(err)
	}
	ratio := median(got[2], wall).Seconds() / median(got[0], wall).Seconds()
	b.ReportMetric(float64(got[0][0].report.Count)/median(got[0], wall).Seconds(), "rows/s")
	b.ReportMetric(ratio, "psql/ours")
	fmt.Printf("%d rows in %d views; medians of %d\n", got[0][0].report.Count, len(views), s.runs)
	fmt.Printf("seconds of a processor: to facts %.2f, psql %.2f\n", median(got[0], busy).Seconds(), median(got[2], busy).Seconds())
	fmt.Printf(layout, "row", "ours", "beside", "ratio", "aim")
	verdict := "MISSED"
	if ratio >= aimRows && median(got[0], peak) <= aimRowsBytes {
		verdict = "met"
	}
	fmt.Printf(layout, "views to facts", cost(got[0]), `psql \copy `+cost(got[2]), fmt.Sprintf("%.2f", ratio),
		fmt.Sprintf("at least %.1f and %d MiB: %s", aimRows, aimRowsBytes>>20, verdict))
	fmt.Printf(layout, "views to records", cost(got[1]), "", "", strings.TrimSpace(fmt.Sprintf("%d records", got[1][0].report.Count)))
}
