package targettest_test

import (
	"fmt"
	"strings"
	"sync"

	"eventful.se/ess/libs/target"
	"eventful.se/ess/libs/target/targettest"
)

// thing is what the peer holds under an id of its own.
type thing struct {
	mine    bool
	away    bool // where those lie who have left
	guarded bool // nobody takes it over
	target.Held
	fields target.Fields
}

// peer is a system that takes calls or sets.
type peer struct {
	complete bool

	mu     sync.Mutex
	things map[string]thing
	serial int
	calls  int
	writes int
	fault  targettest.Fault
	of     target.ID
	taken  int
	cache  map[target.ID]target.Held // that a connector which believes itself keeps on a disk
}

func (p *peer) Holds() (out []target.Held, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.things {
		if x.mine {
			out = append(out, x.Held)
		}
	}
	return out, nil
}

func (p *peer) Others() (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for id, x := range p.things {
		if !x.mine && len(x.fields) > 0 {
			out = append(out, id+x.fields[0].Value.Reveal())
		}
	}
	return strings.Join(out, ","), nil
}

func (p *peer) Plant(r target.Resource, guarded bool) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	native := fmt.Sprint("n", p.serial)
	p.serial++
	x := thing{guarded: guarded, Held: target.Held{Native: native, Fields: target.Fields{{Name: "given", Value: "of the customer"}}}}
	for _, f := range r.Fields {
		if f.Name == "username" {
			x.Fields = append(x.Fields, f)
		}
	}
	p.things[native] = x
	return native, nil
}

func (p *peer) Own(native string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, f := range p.things[native].Fields {
		out = append(out, f.Name+"="+f.Value.Reveal())
	}
	return fmt.Sprint(p.things[native].ID, out), nil
}

func (p *peer) Away(id target.ID) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.things {
		if x.mine && x.ID == id {
			return x.away, nil
		}
	}
	return false, nil
}

func (p *peer) Writes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.writes
}

func (p *peer) Calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

func (p *peer) Fail(f targettest.Fault, of target.ID) error {
	if p.complete && f == targettest.RefuseOne {
		return targettest.Cannot("nothing is wrong with any row")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.of, p.taken = f, of, 0
	return nil
}

func (p *peer) Heal() error { return p.Fail("", target.ID{}) }

func (p *peer) Tamper(how targettest.Tampering, id target.ID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.complete && how == targettest.Change {
		return targettest.Cannot("nobody can write into a set")
	}
	for native, x := range p.things {
		switch {
		case !x.mine || x.ID != id:
		case how == targettest.Lose:
			delete(p.things, native)
		default:
			x.Fields = target.Fields{{Name: "given", Value: "somebody else"}}
			p.things[native] = x
		}
	}
	return nil
}

// write answers a write: whether it is done, and what is said.
func (p *peer) write(id target.ID) (done bool, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	p.writes++
	p.taken++
	switch p.fault {
	case "":
		return true, 200
	case targettest.RefuseOne:
		if id == p.of {
			return false, 422
		}
		return true, 200
	case targettest.HalfBatch:
		if p.taken == 1 && !p.complete {
			return true, 200
		}
		return false, 500
	case targettest.LostAnswer:
		return true, 500
	default:
		return false, map[targettest.Fault]int{
			targettest.Throttle: 429, targettest.Bare: 429, targettest.Broken: 500, targettest.Garbage: 0, targettest.Hang: -1, targettest.SignIn: 401,
		}[p.fault]
	}
}
