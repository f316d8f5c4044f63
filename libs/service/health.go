package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"eventful.se/ess/libs/source"
)

// readiness says whether a program can do its work. It is safe for concurrent use.
type readiness struct {
	mu  sync.Mutex
	ask func(context.Context) error
}

// from has it ask.
func (r *readiness) from(ask func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ask = ask
}

// say has it say why not.
func (r *readiness) say(err error) { r.from(func(context.Context) error { return err }) }

func (r *readiness) check(ctx context.Context) error {
	r.mu.Lock()
	ask := r.ask
	r.mu.Unlock()
	return ask(ctx)
}

// answers is how long /readyz asks a log that says nothing: who asks it has to hear why, and not only that nobody answers.
const answers = 2 * time.Second

// serveHTTP serves /healthz (the process lives), /readyz (the log and everything it needs let it work), /metrics and the
// addresses at which registers tell of changes until ctx ends. It returns once the address is taken; wait returns when the server has stopped.
func serveHTTP(ctx context.Context, addr string, ready func(context.Context) error, metrics, hooks http.Handler, logger *slog.Logger) (wait func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("the address of /healthz, /readyz and /metrics cannot be taken: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), answers)
		defer cancel()
		if err := ready(ctx); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.Handle("GET /metrics", metrics)
	mux.Handle("POST "+source.HookPath+"{word}", hooks)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.ErrorContext(ctx, "the health endpoint stopped", "error", err)
		}
	}()
	context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	})
	return func() { <-done }, nil
}
