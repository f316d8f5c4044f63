package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/transport/sftp/sftpserver"
)

// The aims.
const (
	aimRead        = 0.2 // of the speed of xmllint
	aimPublish     = 0.7 // of the raw publication
	aimReread      = 10 * time.Second
	aimRereadBytes = 600 << 20
	aimFullSet     = 10 * time.Second
)

const tenantName = "bench"

// stand is where the processes are measured: their input, and the peers that they talk to, which run in this process.
type stand struct {
	options
	self           string
	export         string
	register, drop *sftpserver.Server
	stdout, stderr io.Writer
}

func prepare(ctx context.Context, o options, stdout, stderr io.Writer) (b *stand, err error) {
	b = &stand{options: o, stdout: stdout, stderr: stderr}
	if b.self, err = self(); err != nil {
		return nil, err
	}
	b.export = b.path("register", "alvis.xml")
	for _, dir := range []string{"register", "drop/dropbox"} {
		if err := os.MkdirAll(b.path(dir), 0o700); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(stderr, "bench: making an export of %d persons, %d groups and %d memberships\n", o.size.persons, o.size.groups, o.size.members)
	if _, err := b.child(ctx, stepGenerate, "", "-file", b.export); err != nil {
		return nil, err
	}
	password := rand.Text()
	for name, value := range map[string]string{"password": password, "pepper": rand.Text() + rand.Text()} {
		if err := os.WriteFile(b.path(name), []byte(value), 0o600); err != nil {
			return nil, err
		}
	}
	if b.register, err = sftpserver.Start(ctx, sftpserver.Options{Dir: b.path("register"), User: tenantName, Password: password}); err != nil {
		return nil, err
	}
	if b.drop, err = sftpserver.Start(ctx, sftpserver.Options{Dir: b.path("drop"), User: tenantName, Password: password}); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *stand) close() {
	_ = b.register.Close()
	_ = b.drop.Close()
}

func (b *stand) path(parts ...string) string {
	return filepath.Join(append([]string{b.dir}, parts...)...)
}

// child runs one step in a process of its own. Its profile, if any, is called by name.
func (b *stand) child(ctx context.Context, step, name string, args ...string) (sample, error) {
	args = slices.Concat([]string{childWord, step}, b.size.args(), args)
	if b.profile != "" && name != "" {
		args = append(args, "-profile", filepath.Join(b.profile, name))
	}
	return run(ctx, b.self, args...)
}

// document writes what an operator would about the tenant. Each instance of the link has a ledger of its own.
func (b *stand) document(instance string) (path string, err error) {
	account := func(s *sftpserver.Server) string {
		host, port, _ := net.SplitHostPort(s.Addr())
		return fmt.Sprintf(`{host: %s, port: %s, user: %s, password: "file:%s", hostKeys: ["%s"]}`, host, port, tenantName, b.path("password"), s.Fingerprint())
	}
	path = b.path(instance + ".yaml")
	return path, os.WriteFile(path, fmt.Appendf(nil, `tenant: %s
title: %s
pepper: file:%s
protectedRoutine: none is needed, for nobody is real
sources:
  - system: alvis
    settings:
      sftp: %s
      maxAge: 0s
      settle: 0s
links:
  - target: apple-school-manager
    instance: %s
    mode: active
    settings:
      sftp: %s
      every: 0s
`, tenantName, tenantName, b.path("pepper"), account(b.register), instance, account(b.drop)), 0o600)
}

// row is a line of the table.
type row struct {
	name                string
	ours, beside, ratio string
	aim                 string
	met                 bool
	unjudged            bool // there is nothing to compare with
}

const layout = "%-36s | %-17s | %-35s | %-5s | %s\n"

func (b *stand) table(ctx context.Context) error {
	fmt.Fprintf(b.stdout, "%s/%s, %d cores, %s; %s; medians of %d\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), time.Now().Format(time.DateOnly), b.runs)
	fmt.Fprintf(b.stdout, layout, "row", "ours", "beside", "ratio", "aim")
	for _, measure := range []func(context.Context) (row, error){b.parse, b.firstLoad, b.reread, b.fullSet} {
		r, err := measure(ctx)
		if err != nil {
			return err
		}
		verdict := "MISSED"
		switch {
		case r.unjudged:
			verdict = "not judged"
		case r.met:
			verdict = "met"
		}
		fmt.Fprintf(b.stdout, layout, r.name, r.ours, r.beside, r.ratio, r.aim+": "+verdict)
	}
	return nil
}

// times runs several programs in turn, A B A B, so that what the machine does meanwhile hits all alike.
func (b *stand) times(programs ...func(n int) (sample, error)) ([][]sample, error) {
	all := make([][]sample, len(programs))
	for n := range b.runs {
		for i, program := range programs {
			s, err := program(n)
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], s)
		}
	}
	return all, nil
}

// parse is the export, read and assembled, beside xmllint, which only looks whether it is well formed.
func (b *stand) parse(ctx context.Context) (r row, err error) {
	programs := []func(int) (sample, error){
		func(int) (sample, error) { return b.child(ctx, stepAssemble, "parse", "-file", b.export) },
	}
	xmllint, err := exec.LookPath("xmllint")
	if err == nil {
		programs = append(programs, func(int) (sample, error) { return run(ctx, xmllint, "--stream", "--noout", b.export) })
	}
	s, err := b.times(programs...)
	if err != nil {
		return r, err
	}
	r = row{name: "export, parse and assemble", ours: cost(s[0]), beside: "xmllint is not installed", ratio: "–", aim: fmt.Sprintf("at least %.1f", aimRead), unjudged: len(s) == 1}
	if len(s) > 1 {
		ratio := median(s[1], wall).Seconds() / median(s[0], wall).Seconds()
		r.beside, r.ratio, r.met = "xmllint "+cost(s[1]), fmt.Sprintf("%.2f", ratio), ratio >= aimRead
	}
	return r, nil
}

// log is where the log of the first load is kept that the other rows go on from.
func (b *stand) log(n int) string { return b.path("log" + strconv.Itoa(n)) }

// firstLoad is the publication within the first run of a reader, beside the same messages without anything of ours.
func (b *stand) firstLoad(ctx context.Context) (r row, err error) {
	document, err := b.document("default")
	if err != nil {
		return r, err
	}
	programs := []func(int) (sample, error){
		func(n int) (sample, error) {
			return b.child(ctx, stepRead, "first-load", "-data", b.log(n), "-document", document, "-want", string(source.Published))
		},
	}
	if b.raw != "" {
		programs = append(programs, func(n int) (sample, error) {
			to := b.path("raw" + strconv.Itoa(n))
			defer os.RemoveAll(to)
			return run(ctx, b.raw, "-from", b.log(n), "-to", to, "-tenant", tenantName)
		})
	}
	s, err := b.times(programs...)
	if err != nil {
		return r, err
	}
	r = row{
		name: "first load, publish to the log", ours: fmt.Sprintf("%.0f changes/s", median(s[0], rate)), beside: "rawpublish is not given", ratio: "–",
		aim: fmt.Sprintf("at least %.1f", aimPublish), unjudged: len(s) == 1,
	}
	if len(s) > 1 {
		ratio := median(s[0], rate) / median(s[1], rate)
		r.beside, r.ratio, r.met = fmt.Sprintf("raw batches %.0f messages/s", median(s[1], rate)), fmt.Sprintf("%.2f", ratio), ratio >= aimPublish
	}
	fmt.Fprintf(b.stderr, "bench: the whole first run, read and compared too: %s, %d changes\n", cost(s[0]), s[0][0].report.Count)
	return r, nil
}

// reread is a whole run that finds nothing new: fetch, read, assemble, compare with the log.
func (b *stand) reread(ctx context.Context) (r row, err error) {
	s, err := b.times(func(int) (sample, error) {
		return b.child(ctx, stepRead, "reread", "-data", b.log(0), "-document", b.path("default.yaml"), "-want", string(source.Unchanged))
	})
	if err != nil {
		return r, err
	}
	return row{
		name: "unchanged export, a whole run", ours: cost(s[0]), beside: "–", ratio: "–",
		aim: fmt.Sprintf("at most %.0f s and %d MiB", aimReread.Seconds(), aimRereadBytes>>20),
		met: median(s[0], wall) <= aimReread && median(s[0], peak) <= aimRereadBytes,
	}, nil
}

// fullSet is the first set for a target that takes files, from the roster in memory to the zip.
func (b *stand) fullSet(ctx context.Context) (r row, err error) {
	s, err := b.times(func(n int) (sample, error) {
		document, err := b.document("link" + strconv.Itoa(n))
		if err != nil {
			return sample{}, err
		}
		return b.child(ctx, stepDeliver, "full-set", "-data", b.log(0), "-document", document)
	})
	if err != nil {
		return r, err
	}
	took := median(s[0], step)
	fmt.Fprintf(b.stderr, "bench: the whole first delivery, loaded and uploaded too: %s, %d rows\n", cost(s[0]), s[0][0].report.Count)
	return row{
		name: "full Apple set, map, resolve and zip", ours: fmt.Sprintf("%.2f s, %.0f MiB", took, mebibytes(s[0])), beside: "–", ratio: "–",
		aim: fmt.Sprintf("at most %.0f s", aimFullSet.Seconds()), met: took <= aimFullSet.Seconds(),
	}, nil
}

// cost is time and memory of whole processes.
func cost(s []sample) string {
	return fmt.Sprintf("%.2f s, %.0f MiB", median(s, wall).Seconds(), mebibytes(s))
}

func mebibytes(s []sample) float64 { return float64(median(s, peak)) / (1 << 20) }
