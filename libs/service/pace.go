package service

import (
	"context"
	"sync"
	"time"
)

// What begins at once: so many links and reads, each for as long as it takes to find its feet, or a while.
const (
	beginnings = 16
	beginning  = 5 * time.Second
)

// Pace has links and reads begin a few at a time. All of hundreds of tenants at once keep NATS so busy that it does not
// answer a renewal in time: then the lease ends, all of them stop, and begin at once again. Who takes long counts no more
// after a while, so that no slow one delays another (rule R7). It is safe for concurrent use.
type Pace struct {
	slots chan struct{}
	mu    sync.Mutex
	under map[string]*time.Timer // what is beginning, by name
}

// NewPace returns the pace of a process.
func NewPace() *Pace {
	return &Pace{slots: make(chan struct{}, beginnings), under: map[string]*time.Timer{}}
}

// enter waits until something may begin; through says that it has.
func (p *Pace) enter(ctx context.Context, name string) error {
	if p == nil {
		return nil
	}
	p.through(name)
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.under[name] = time.AfterFunc(beginning, func() { p.through(name) })
	return nil
}

// through says that what entered by a name has begun; it may be said again, and of what never entered.
func (p *Pace) through(name string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if timer := p.under[name]; timer != nil {
		timer.Stop()
		delete(p.under, name)
		<-p.slots
	}
}
