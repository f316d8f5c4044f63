package testbed

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// NATSOptions say what [NATS] starts.
type NATSOptions struct {
	Program string   // the nats-server: go build github.com/nats-io/nats-server/v2
	Servers int      // 1, or 3 or 5 that are a cluster
	Domain  string   // of JetStream; empty for none
	Config  []string // lines of its configuration beside ours, such as users and what they may
	Each    []string // a line for each server, such as an address of its own
	Later   bool     // start none yet: see [NATSServer.Start]
}

// Cluster is nats-servers with JetStream on the disk, each a process of its own, which keep what they have acknowledged
// (sync_interval: always). They tell no client of one another, so that one that was given the address of a proxy stays there.
type Cluster struct{ Servers []*NATSServer }

// NATSServer is one of them.
type NATSServer struct {
	Name string
	Addr string // host:port for clients
	URL  string // the same as nats://host:port

	t       testing.TB
	program string
	file    string // its configuration
	monitor string // host:port of its own state
	log     syncBuffer
	mu      sync.Mutex
	cmd     *exec.Cmd     // nil while it does not run
	gone    chan struct{} // closed when cmd has ended
}

// NATS starts servers, which are killed at the end of the test, and returns when they can be used.
func NATS(t testing.TB, o NATSOptions) *Cluster {
	t.Helper()
	dir := t.TempDir()
	var addrs []string
	for range 3 * o.Servers {
		addrs = append(addrs, FreeAddr(t))
	}
	c := &Cluster{}
	var routes []string
	for i := range o.Servers {
		routes = append(routes, "nats://"+addrs[3*i+2])
	}
	for i := range o.Servers {
		name := fmt.Sprintf("n%d", i+1)
		config := append([]string{
			"server_name: " + name, "listen: " + addrs[3*i], "http: " + addrs[3*i+1],
			fmt.Sprintf("jetstream { store_dir: %q, sync_interval: always, domain: %q }", filepath.Join(dir, name), o.Domain),
		}, o.Config...)
		if o.Each != nil {
			config = append(config, o.Each[i])
		}
		if o.Servers > 1 {
			config = append(config, fmt.Sprintf("cluster { name: testbed, listen: %q, no_advertise: true, routes: [%s] }", addrs[3*i+2], strings.Join(routes, ", ")))
		}
		s := &NATSServer{
			Name: name, Addr: addrs[3*i], URL: "nats://" + addrs[3*i], t: t, program: o.Program, file: filepath.Join(dir, name+".conf"), monitor: addrs[3*i+1],
		}
		writeFile(t, s.file, []byte(strings.Join(config, "\n")+"\n"))
		t.Cleanup(s.Kill)
		c.Servers = append(c.Servers, s)
	}
	if !o.Later {
		c.Start()
	}
	return c
}

// URL returns the addresses of all servers, for a client that may use any of them.
func (c *Cluster) URL() string {
	var urls []string
	for _, s := range c.Servers {
		urls = append(urls, s.URL)
	}
	return strings.Join(urls, ",")
}

// Start starts those that do not run, and returns when all can be used.
func (c *Cluster) Start() {
	for _, s := range c.Servers {
		s.Start()
	}
	c.Await()
}

// Kill ends all of them as a power cut would.
func (c *Cluster) Kill() {
	for _, s := range c.Servers {
		s.Kill()
	}
}

// Await returns when every server that runs has all that it should have of every stream.
func (c *Cluster) Await() {
	running := 0
	for _, s := range c.Servers {
		s.t.Helper()
		if s.await() {
			running++
		}
	}
	if len(c.Servers) > 1 && running == len(c.Servers) {
		c.gather()
	}
}

// gather returns when the servers have a leader that sees all of them: until then streams have no place.
func (c *Cluster) gather() {
	s := c.Servers[0]
	s.t.Helper()
	var last error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for _, s := range c.Servers {
			var seen int
			if seen, last = s.sees(); last == nil && seen == len(c.Servers)-1 {
				return
			}
		}
	}
	s.t.Fatalf("no leader sees all nats-servers after a minute (%v):\n%s", last, s.Log())
}

// sees returns how many others a leader sees; none where the server does not lead.
func (s *NATSServer) sees() (n int, err error) {
	resp, err := (&http.Client{Timeout: time.Second}).Get("http://" + s.monitor + "/jsz")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var state struct {
		Meta struct {
			Replicas []struct {
				Current bool `json:"current"`
				Offline bool `json:"offline"`
			} `json:"replicas"`
		} `json:"meta_cluster"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&state); err != nil {
		return 0, err
	}
	for _, r := range state.Meta.Replicas {
		if r.Current && !r.Offline {
			n++
		}
	}
	return n, nil
}

// Start starts a server that does not run, and does not wait until it can be used.
func (s *NATSServer) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
}

// start starts it unless it runs; mu is held.
func (s *NATSServer) start() {
	s.t.Helper()
	if s.cmd != nil {
		return
	}
	cmd, gone := exec.Command(s.program, "-c", s.file), make(chan struct{})
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // it is killed, or says in its log why it ended
		close(gone)
	}()
	s.cmd, s.gone = cmd, gone
}

// await returns when it can be used, if it runs. Its ports may be another's for a moment after a restart: then it is tried again.
func (s *NATSServer) await() (runs bool) {
	s.t.Helper()
	client := http.Client{Timeout: time.Second}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		s.mu.Lock()
		runs = s.cmd != nil
		if runs {
			select {
			case <-s.gone:
				s.cmd = nil
				s.start()
			default:
			}
		}
		s.mu.Unlock()
		if !runs {
			return false
		}
		resp, err := client.Get("http://" + s.monitor + "/healthz")
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return true
		}
	}
	s.t.Fatalf("nats-server %s cannot be used after a minute:\n%s", s.Name, s.Log())
	return false
}

// Kill ends it as a power cut would, and returns when it is gone.
func (s *NATSServer) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended by itself
	<-s.gone
	s.cmd = nil
}

// Pause has it stand still, with all its connections, until Pause(false).
func (s *NATSServer) Pause(still bool) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	signal := syscall.SIGCONT
	if still {
		signal = syscall.SIGSTOP
	}
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// PID returns the id of its process; 0 while it does not run.
func (s *NATSServer) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Log returns what it has said, over all its starts.
func (s *NATSServer) Log() string { return s.log.String() }

// BuildNATS builds the nats-server of the version that this workspace is pinned to, into a directory, and returns its path.
func BuildNATS(dir string) (program string, err error) {
	program = filepath.Join(dir, "nats-server")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build nats-server: %w\n%s", err, out)
	}
	return program, nil
}
