// Package sourcetest is the judge of every source: one call from a connector's own test, beside the register that the
// connector reads.
//
//	func TestConformance(t *testing.T) {
//		r := serve(t) // the real register, or the nearest to it that runs on one machine
//		sourcetest.Test(t, sourcetest.Under{
//			Connector: alvis.Connector(),
//			Settings:  r.settings(),
//			Register:  r,
//			Against:   "IMS files on an SFTP server in the test's process",
//			…
//		})
//	}
//
// The suite sets the register up as a [Town], opens the connector as an operator's document would, and reads it by the
// runtime itself into a log in memory. What the connector cannot do, or need not, it says in [Claims]; what a claim rules
// out is skipped and counted, and a claim that the behaviour contradicts is a failure.
package sourcetest

import (
	"testing"
	"time"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source"
)

// Under is the connector under test, and what the suite has to know about it.
type Under struct {
	Connector source.Connector
	Settings  string   // YAML of a tenant's section, by which the connector reaches Register
	Register  Register // the other side
	Against   string   // what Register is, for the board: "IMS files on an SFTP server in the test's process"
	// Refused are wrong settings, as YAML to be read in place of Settings, and the path that each has to be refused with;
	// an empty path for those that cannot even be decoded. That an unknown key is refused is always tried.
	Refused map[string]string
	// Secrets are texts that Settings leads to, such as a password, and that nothing may ever show.
	Secrets []string
	// Steps are the steps of Check that fail by a fault of the register. A fault that is not here is one that a check, which
	// reads no records, does not see.
	Steps  map[Fault]string
	Sample string // path of the sample; empty for ../sample.yaml
	Claims Claims
}

// Claims say why a connector does not do what others do. Each is empty, or a reason that a reader of the board
// understands: "an export is always whole".
type Claims struct {
	NoDelta  string // every read reads everything
	NoPart   string // whatever changed, everything is read; only where nothing did, nothing is
	NoStream string // docs are not emitted while the register is still being read
	NoUnits  string // it states no units; those that it refers to are Foreign's
	NoGroups string // it states no groups; those whose members it states are Foreign's
	NoEnds   string // the register knows no last day
	NoCheck  string // it cannot check itself
	NoWrong  string // no value of a setting is wrong by itself
	// Foreign is the source whose units and groups the connector refers to, by the ids of a [Town].
	Foreign roster.Source
	// PerPerson is how many bytes a read that emits as it goes may keep for each person; 0 for 256.
	PerPerson int
}

// Register is the other side of a connector: its test sets it up, changes it and breaks it.
type Register interface {
	// Hold makes the register hold exactly this from now on: what it held before and is not in the town is gone from it, as
	// the people who keep it would do that. What it has no place for it leaves out.
	Hold(Town) error
	// Break lets the register fail in one way until it is mended, and changes nothing of what it holds. Where it cannot fail
	// so, it says why.
	Break(Fault) (cannot string, err error)
	// Mend undoes what Break did.
	Mend() error
}

// Fault is a way in which a register fails.
type Fault string

// The faults.
const (
	Unreachable Fault = "unreachable"            // nobody answers at its address
	SignIn      Fault = "sign-in refused"        // it does not know us, or no longer
	OtherPeer   Fault = "another peer"           // another one answers in its place: host key, certificate
	Rights      Fault = "not permitted"          // it lets us in, and not at the data
	Nothing     Fault = "nothing there"          // there is no data where there should be
	Empty       Fault = "empty"                  // it answers as always, and holds nobody
	Cut         Fault = "cut off"                // its data ends in the middle
	Garbage     Fault = "garbage"                // its data cannot be understood
	Hang        Fault = "hang"                   // it takes the call and never answers
	Slow        Fault = "slow"                   // it takes its time, and all is well
	GarbageLate Fault = "garbage at the far end" // most of its data is as always, and then it cannot be understood
)

// Faults lists those after which a read is not believed, but for Hang, which has no end.
func Faults() []Fault {
	return []Fault{Unreachable, SignIn, OtherPeer, Rights, Nothing, Empty, Cut, Garbage, GarbageLate}
}

// Test runs the suite.
func Test(t *testing.T, u Under) {
	t.Helper()
	if u.Connector.New == nil || u.Connector.System == "" || u.Register == nil {
		t.Fatal("the suite needs a connector and its register: fill in Connector and Register")
	}
	s := &suite{Under: u, Suite: conformance.New(t, "source-"+u.Connector.System, u.Against), heard: &heard{said: map[string]bool{}}, numbers: map[string]bool{}}
	s.settings()
	s.complete()
	s.moments()
	s.changes()
	s.histories()
	s.stable()
	s.protects()
	s.failures()
	s.prompt()
	s.bounded()
	s.checks()
	s.private()
}

// suite is one run of the suite.
type suite struct {
	Under
	*conformance.Suite
	heard   *heard          // everything that was said where others read it
	numbers map[string]bool // the last ten digits of every identity number that a register held
}

// noon is the day of the suite, a Wednesday in the middle of a term. The suite's clock starts there, and moves by itself.
var noon = time.Date(2026, 10, 14, 10, 0, 0, 0, time.UTC)

// deadline is how long a read of a small register may take before it is said to hang.
const deadline = 20 * time.Second

// patience is how long the suite waits for a read that was called off, before it goes on without it.
const patience = 8 * time.Second
