// Package targettest is the suite that every target passes. A connector's own test calls [Test] once, with the other
// side: a real peer, or the best stand-in for one, that can be looked at past the connector and can be made to fail.
//
// The suite runs the connector under the real engine on a log and a ledger in memory, so that what it proves is what
// production does. It knows nothing of the target but the connector's own mapping: what that wishes of the roster is what
// the other side must hold, no more and no less.
package targettest

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/target"
)

// Under is the connector under test.
type Under struct {
	Connector target.Connector
	// Peer returns a new other side that holds nothing of ours, and the settings that reach it, in YAML. It ends with t.
	Peer func(t *testing.T) (p Peer, settings string)
	// Refused are settings that must be refused, each with the path that the refusal must name.
	Refused map[string]string
	// Secrets are texts that may stand in no error and no log line: the passwords that the settings refer to.
	Secrets []string
	Claims  Claims
	Against string // what stands behind Peer, for the board: "OpenSSH 9.2", "a directory in a file"
	// Crashes is how far apart the steps are at which a process dies: 0 for every step. A peer that is slow may take fewer
	// where the same connector is held to all of them against another peer.
	Crashes int
}

// Claims are what the connector says of the system. The suite checks both ways: what is claimed must be so, and what is
// not claimed must not.
type Claims struct {
	Units, Pupils, Staff, Groups bool        // of what of the roster it holds something
	Shows                        []Attribute // which texts it gets; it gets no other
	Disables                     bool        // it can keep an account that nobody can use; of a complete set: who is left out is kept so
	Aliases                      bool        // a protected person can go on using an account, by an alias
	Lists                        bool        // it can tell all it holds of ours
	Verifies                     bool        // what is lost there is seen by a verifying resync
	Moves                        bool        // it has a place for accounts of those who have left; the peer is a [Mover]
	Finds                        string      // settings with which it finds what it did not make, where it can; the peer is [Populated]
	Rate                         *Rate       // how many calls the other side takes; nil where nobody counts them
	// Deadline is the longest that a call may take with these settings when the other side says nothing.
	Deadline time.Duration
}

// Attribute is a text of the roster that a target may show.
type Attribute string

// The attributes.
const (
	GivenName  Attribute = "given name"
	FamilyName Attribute = "family name"
	Username   Attribute = "user name"
	Email      Attribute = "e-mail address"
	Number     Attribute = "identity number"
	GroupName  Attribute = "group name"
	UnitName   Attribute = "unit name"
)

// Peer is the other side, past the connector.
type Peer interface {
	// Holds returns all that it holds of ours, in the words of the mapping: ids, fields, sets, and whether it can be used.
	Holds() ([]target.Held, error)
	// Others returns, as a text that can be compared, all that it holds and that is not ours. Nothing says that such
	// things cannot be.
	Others() (string, error)
	// Writes counts what was asked of it that could change something, whatever the answer was.
	Writes() int
	// Fail has it answer badly from now on, until Heal. A fault that it cannot make is answered with [Cannot].
	Fail(f Fault, of target.ID) error
	Heal() error
	// Tamper changes something of ours past the connector, or answers with [Cannot].
	Tamper(how Tampering, id target.ID) error
}

// Populated is a peer in which the customer has things already.
type Populated interface {
	// Plant puts something there as the customer would have made it: equal to a resource in the key by which the settings of
	// [Claims] find it, another in all else, and with no id of ours. What is guarded nobody may take over. It returns the
	// other side's own id.
	Plant(r target.Resource, guarded bool) (native string, err error)
	// Own returns, as a text that can be compared, what is there under such an id, but for the groups that have it.
	Own(native string) (string, error)
}

// Mover is a peer that can tell what was moved to where those lie who have left.
type Mover interface {
	Away(id target.ID) (bool, error)
}

// Fault is a way in which the other side answers badly.
type Fault string

// The faults.
const (
	RefuseOne  Fault = "one item is refused"            // what concerns the resource is refused for good; all else is taken
	HalfBatch  Fault = "half a batch"                   // one write is taken, and the next ones are answered with an error
	Throttle   Fault = "too many, wait so long"         // the connector is asked to wait for [Wait]
	Bare       Fault = "too many, no word of how long"  // the connector is asked to wait
	Broken     Fault = "an error of its own"            // 5xx, SSH_FX_FAILURE
	Garbage    Fault = "an answer that makes no sense"  // and what was asked is not done
	Hang       Fault = "no answer at all"               // until the connector gives up
	SignIn     Fault = "the credentials are refused"    // of the whole connector
	LostAnswer Fault = "it does it, but nobody is told" // what was asked is done, and the answer is lost on its way
)

// Wait is how long a peer asks to wait with [Throttle].
const Wait = 90 * time.Second

// Tampering is what somebody else does to something of ours.
type Tampering string

// The ways.
const (
	Lose   Tampering = "lose"   // it is gone
	Change Tampering = "change" // a field of it is another
)

// Cannot answers that a peer cannot make a fault, and why that is no loss: the system cannot either.
func Cannot(why string) error { return cannotError(why) }

type cannotError string

func (e cannotError) Error() string { return string(e) }

// Test runs the suite. Each case has a new peer, log and ledger.
func Test(t *testing.T, u Under) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	s := &suite{conformance.New(t, "target-"+u.Connector.System, u.Against), u}
	for _, part := range []func(){s.settings, s.mapping, s.life, s.people, s.order, s.sideBySide, s.faults, s.rates, s.safety, s.adoption} {
		part()
	}
	s.Case("nothing runs on when the connector is done", conformance.Prompt, func(t *testing.T) {
		if err := goleak.Find(before); err != nil {
			t.Errorf("the connector left a goroutine running: whatever it starts it must wait for: %v", err)
		}
	})
}

type suite struct {
	*conformance.Suite
	under Under
}

// parts runs the parts of a case by their names. A case of which no part applies does not apply.
func parts[T ~string](s *suite, t *testing.T, names []T, run func(*testing.T, T)) {
	t.Helper()
	skipped := 0
	for _, name := range names {
		t.Run(string(name), func(t *testing.T) {
			defer func() {
				if t.Skipped() {
					skipped++
				}
			}()
			run(t, name)
		})
	}
	if skipped == len(names) {
		s.NoPartApplies(t)
	}
}

// can ends a case or a part of one whose fault or tampering the peer cannot make: it does not apply.
func (s *suite) can(t *testing.T, err error) {
	t.Helper()
	var cannot cannotError
	switch {
	case errors.As(err, &cannot):
		s.DoesNotApply(t, "%s", string(cannot))
	case err != nil:
		t.Fatalf("the peer of the test failed: %v", err)
	}
}
