package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/format/ss12000"
	"eventful.se/ess/libs/format/ss12000/ss12000server"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
	"eventful.se/ess/libs/source/ss12000api"
	"eventful.se/ess/libs/transport/httpx"
	"eventful.se/ess/services/ess/municipality"
)

// The aims of a read over SS 12000.
const (
	aimAPI      = 1.3 // times what fetching the pages takes
	aimAPIBytes = 600 << 20
)

// The steps of a child over SS 12000.
const (
	stepServe = "serve" // be the register until standard input ends
	stepAPI   = "api"   // read the register and assemble records
	stepFetch = "fetch" // fetch the same pages, and throw them away
)

// api measures a read over SS 12000 beside a client that only fetches the pages. The register is a process of its own.
func api(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	b := &stand{stdout: stdout, stderr: stderr}
	f := flag.NewFlagSet("ss12000", flag.ContinueOnError)
	f.SetOutput(stderr)
	b.size.flags(f)
	f.IntVar(&b.runs, "runs", 3, "how often each is run; the median counts")
	f.StringVar(&b.profile, "profile", "", "a folder for profiles of our processes, for go tool pprof; they cost some speed")
	limit := f.Int("limit", ss12000api.DefaultLimit, "how many objects a page has")
	delay := f.Duration("delay", 20*time.Millisecond, "how long the register waits before each page")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 || b.runs < 1 {
		return errors.New("usage: bench ss12000 [flags], with at least one run; see -help")
	}
	if b.profile != "" {
		if err := os.MkdirAll(b.profile, 0o750); err != nil {
			return err
		}
	}
	var err error
	if b.self, err = self(); err != nil {
		return err
	}
	base, stop, err := b.register12000(ctx, *delay)
	if err != nil {
		return err
	}
	defer stop()
	at := []string{"-base", base, "-limit", strconv.Itoa(*limit)}
	s, err := b.times(
		func(int) (sample, error) { return b.child(ctx, stepAPI, "ss12000", at...) },
		func(int) (sample, error) { return b.child(ctx, stepFetch, "", at...) },
	)
	if err != nil {
		return err
	}
	ratio := median(s[0], wall).Seconds() / median(s[1], wall).Seconds()
	verdict := "MISSED"
	if ratio <= aimAPI && median(s[0], peak) <= aimAPIBytes {
		verdict = "met"
	}
	fmt.Fprintf(stdout, "%s/%s, %d cores, %s; %s; medians of %d; pages of %d, %s each: %d pages\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(),
		time.Now().Format(time.DateOnly), b.runs, *limit, *delay, s[1][0].report.Count)
	fmt.Fprintf(stderr, "bench: seconds of a processor: ours %.2f, fetched only %.2f\n", median(s[0], busy).Seconds(), median(s[1], busy).Seconds())
	fmt.Fprintf(stdout, layout, "row", "ours", "beside", "ratio", "aim")
	fmt.Fprintf(stdout, layout, "SS 12000, read and assemble", cost(s[0]), "fetched only "+cost(s[1]), fmt.Sprintf("%.2f", ratio),
		fmt.Sprintf("at most %.1f and %d MiB: %s", aimAPI, aimAPIBytes>>20, verdict))
	return nil
}

// register12000 starts the register, and returns the address of its lists when it has them.
func (b *stand) register12000(ctx context.Context, delay time.Duration) (base string, stop func(), err error) {
	fmt.Fprintf(b.stderr, "bench: making a register of %d persons, %d groups and %d memberships\n", b.size.persons, b.size.groups, b.size.members)
	cmd := exec.CommandContext(ctx, b.self, append([]string{childWord, stepServe, "-delay", delay.String()}, b.size.args()...)...)
	cmd.Stderr = b.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = in.Close() // at which it ends
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the register did not start: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// serve is the register: it says where it is, and ends with standard input.
func (w *work) serve(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	m, err := municipality.Sized(w.size.persons, w.size.groups, w.size.members, w.size.seed)
	if err != nil {
		return err
	}
	server := ss12000server.New(ss12000server.Options{Path: "/v2.0", Now: clock(), Delay: w.delay})
	server.Put(m.SS12000()...)
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h := &http.Server{Handler: server, ReadHeaderTimeout: time.Minute}
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		_ = h.Close()
	}()
	fmt.Fprintf(stdout, "http://%s/v2.0\n", l.Addr())
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// api reads the register as a reader does, and assembles every record.
func (w *work) api(ctx context.Context) (r report, err error) {
	cfg := ss12000api.Default()
	cfg.BaseURL, cfg.Limit = w.base, w.limit
	cfg.HTTP.Auth, cfg.HTTP.PrivateAddresses = httpx.Auth{Kind: httpx.NoAuth}, true
	from := roster.Source{System: "ss12000", Instance: "default"}
	keyer, err := roster.NewKeyer([]byte("a pepper of nobody, for measuring only"))
	if err != nil {
		return r, err
	}
	now := clock()
	a := fact.NewAssembler(fact.Options{Source: from, Keyer: keyer, Today: roster.Today(now())})
	read, err := ss12000api.New(cfg, source.Env{Source: from, Logger: slog.New(slog.DiscardHandler), Now: now}).Read(ctx, nil, a.Add)
	if err != nil {
		return r, err
	}
	if !read.Complete || read.Seen["persons"] != w.size.persons {
		return r, fmt.Errorf("saw %v, complete %t, want all %d persons", read.Seen, read.Complete, w.size.persons)
	}
	r.Count = len(a.Assemble().Records)
	return r, nil
}

// fetch fetches the pages of all lists one after the other. Of each it looks for nothing but where the next one is, at
// its end.
func (w *work) fetch(ctx context.Context) (r report, err error) {
	for _, of := range ss12000.Resources() {
		ask := url.Values{"limit": {strconv.Itoa(w.limit)}}
		for token := "-"; token != ""; r.Count++ {
			if token, err = tokenOf(ctx, w.base+"/"+string(of)+"?"+ask.Encode()); err != nil {
				return r, err
			}
			ask.Set("pageToken", token)
		}
	}
	return r, nil
}

// tokenOf fetches a page and returns the token of the next; empty on the last.
func tokenOf(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", err
	}
	a, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		return "", err
	}
	text := string(body[max(0, len(body)-200):])
	at := strings.LastIndex(text, `"pageToken":`)
	if a.StatusCode != http.StatusOK || at < 0 {
		return "", fmt.Errorf("%s answered %s, and no page", address, a.Status)
	}
	var end struct {
		Token string `json:"pageToken"`
	}
	return end.Token, errors.Join(json.Unmarshal([]byte("{"+text[at:]), &end), ctx.Err())
}
