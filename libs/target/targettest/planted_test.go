package targettest_test

import (
	"flag"
	"strings"
	"testing"
	"time"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/target/targettest"
)

// What is right passes, whatever its sink.
func TestTheSuitePassesWhatIsRight(t *testing.T) {
	for name, f := range map[string]*fake{"calls": {}, "sets": {complete: true}, "calls for members": {broken: "changes members in two calls"}} {
		f.deadline = 1200 * time.Millisecond // long enough to tell a stop from a time-out
		t.Run(name, func(t *testing.T) { targettest.Test(t, f.under()) })
	}
}

// planted are targets that are broken on purpose: the case that must catch each, and words of what it must say.
var planted = []struct {
	broken   string
	complete bool
	caught   string
	words    string
}{
	{"takes any settings", false, "wrong settings are refused, with the path of each mistake", "are taken"},
	{"counts what it maps", false, "the same roster gives the same wishes, whatever was asked before", "is mapped to other things"},
	{"sorts the lists of the roster", false, "a mapping writes nothing into the roster", "copy before sorting"},
	{"makes ids of names", false, "every resource has one entity, a known kind, and needs that come before it", "make them of keys"},
	{"forgets who comes later", false, "references wait for what they need, and members follow when they come", "has other members"},
	{"writes the day into a field", false, "the same again is nothing to do: a restart, a replay and a resync write nothing", "what stood already"},
	{"writes when it is opened", false, "a preview tells everything and writes nothing", "a preview wrote"},
	{"does not hear that it is to stop", false, "a link that is told to stop stops at once, though nobody answers", "hand the context to every call"},
	{"lists one page", false, "what the target says that it holds is what is there", "List does not tell of"},
	{"has members by the key of today", false, "a new identity number is the same person with the same account", "which nobody wishes"},
	{"deletes who is left out", true, "who leaves goes by the stages, and who returns gets the same account", "leaving something out disables it (Omission) is false"},
	{"reads the friends of friends", false, "a mapping reads the entity and its neighbours, no further", "which is no neighbour"},
	{"takes who leaves at once", false, "who is not in the target has a reason that people understand", "say that the person leaves"},
	{"sends the identity number", false, "what the roster has the target gets, with the texts that are claimed and no other", "identity number, which is not claimed"},
	{"says that it did and did not", false, "a new name arrives, and the old one is nowhere", "is another"},
	{"forgets to delete", false, "what the register deletes goes, and nothing else does", "which nobody wishes"},
	{"makes again what it made", false, "done twice is done once: a forced resync changes nothing", "twice: what is made again must be found by its anchor"},
	{"makes again what it made", false, "a crash between what is done and what is noted makes nothing twice and loses nothing", "twice: what is made again must be found by its anchor"},
	{"makes ids of the key of today", false, "a new identity number is the same person with the same account", "make ids of target.Anchor"},
	{"deletes in place of disabling", false, "who leaves goes by the stages, and who returns gets the same account", "it was to be disabled"},
	{"does not let anybody back in", false, "who leaves goes by the stages, and who returns gets the same account", "nobody can use"},
	{"deletes in place of disabling", false, "who is protected, excluded or suspended is out at once, and back as before", "was deleted to protect her"},
	{"shows who is protected", false, "by an alias the account goes on, and nobody sees whose it is", "still shows the"},
	{"gives a batch up for one item", false, "one bad item in a good batch stops nobody else, and what needs it waits", "one bad item delays no other"},
	{"takes a fault for a refusal", false, "the other side fails in every way, and nothing is lost or made twice", "has the fault invalid, want transient"},
	{"takes anything for a yes", false, "the other side fails in every way, and nothing is lost or made twice", "what was not confirmed did not happen"},
	{"waits for ever", false, "the other side fails in every way, and nothing is lost or made twice", "every call has a deadline of its own"},
	{"calls again at once", false, "who asks to wait is waited for", "whoever calls again too soon is locked out"},
	{"draws once for a batch", false, "no more calls are made than the other side takes", "draw every call from the budget, one by one"},
	{"draws only what it writes", false, "one refusal for too many calls slows down every link that is counted with it", "calls all the same"},
	{"has no budget", false, "no more calls are made than the other side takes", "no budget is asked for"},
	{"takes a second for a minute", false, "no more calls are made than the other side takes", "a rate of 2 is claimed"},
	{"does not claim its rate", false, "no more calls are made than the other side takes", "claim the rate"},
	{"keeps to itself that it called too often", false, "one refusal for too many calls slows down every link that is counted with it", "tell the budget (Throttled)"},
	{"has a budget for every link", false, "one refusal for too many calls slows down every link that is counted with it", "the scope that the other side counts"},
	{"says that every link is counted by itself", false, "one refusal for too many calls slows down every link that is counted with it", "keeps another from calling"},
	{"does not claim its aliases", false, "by an alias the account goes on, and nobody sees whose it is", "claim Aliases"},
	{"does not claim that it can be asked", false, "what others lose or change there is found by a verifying resync and mended", "claim Verifies"},
	{"does not claim that it can be asked", true, "what others lose or change there is found by a verifying resync and mended", "claim Verifies"},
	{"goes on with refused credentials", false, "refused credentials halt the link and tell a person", "before an account is locked"},
	{"signs in for every item", false, "refused credentials halt the link and tell a person", "an account is locked by a few"},
	{"believes itself", false, "what others lose or change there is found by a verifying resync and mended", "after somebody else's hands"},
	{"clears away what is not its own", false, "nothing is touched that is not ours", "something that is not ours is another, or gone"},
	{"does not say what people sign in with", false, "a mass change waits for a person", "Watched the fields by which they sign in"},
	{"tells who it was in its errors", false, "no name, number or secret is in an error or a log line", "has a name, an identity number or a secret in it"},
	{"answers in another order", false, "one bad item in a good batch stops nobody else, and what needs it waits", "one bad item delays no other"},
	{"remembers only in memory what it made", false, "the other side fails in every way, and nothing is lost or made twice", "twice"},
	{"keeps the target's ids to itself", false, "what the target says that it holds is what is there", "Outcome.Native"},
	{"finds what begins alike", false, "what the target says that it holds is what is there", "only alike"},
	{"finds what is of another kind", false, "what the target says that it holds is what is there", "only alike"},
	{"touches what it is asked about", false, "what the target says that it holds is what is there", "a preview and a check ask too"},
	{"takes what is not there for done", false, "what others took away is made again when it changes next", "what is not there is a conflict"},
	{"disables who could not be written", false, "the other side fails in every way, and nothing is lost or made twice", "keeps anybody out"},
	{"forgets that members failed", false, "the other side fails in every way, and nothing is lost or made twice", "has other members"},
	{"does not take over what it found", false, "what the customer has already is taken over, and nothing is made twice", "after an account was taken over the target lacks"},
	{"tells of one of several", false, "of several that may be it a person decides, and who may not be taken over is left alone", "Match returns all that has the key"},
	{"takes over whom it must not", false, "of several that may be it a person decides, and who may not be taken over is left alone", "was made or taken over"},
	{"marks what it found", false, "a preview tells what would be taken over, and touches nothing", "a preview wrote"},
	{"marks what it found", false, "who is only used is in the groups, and nothing of hers is touched", "is another than it was (R6)"},
	{"knows members by our ids alone", false, "who is only used is in the groups, and nothing of hers is touched", "take the ids of members from Operation.Natives"},
	{"leaves where she lies who came back", false, "who has left is moved away, and back", "want it moved away and disabled: false"},
	{"moves her and lets her in", false, "who has left is moved away, and back", "want it moved away and disabled: true"},
	{"leaves something running", false, "nothing runs on when the connector is done", "left a goroutine running"},
	{"has room for one call", false, "as many calls at once as the sink takes come to what one large call does", "with calls side by side (Target.Parallel), the target lacks"},
	{"answers for the call before", false, "as many calls at once as the sink takes come to what one large call does", "each call has its own answer"},
	{"writes the time into its file", true, "the same set is the same bytes under the same name", "a time or a random id is in it"},
	{"clears the inbox first", true, "the other side fails in every way, and nothing is lost or made twice", "no fault of the other side removes anything"},
}

func TestTheSuiteCatchesWhatIsBroken(t *testing.T) {
	if name := conformance.Planted(); name != "" {
		for flagged, value := range map[string]string{"rapid.checks": "5", "rapid.shrinktime": "0s", "rapid.nofailfile": "true"} {
			if err := flag.Set(flagged, value); err != nil {
				t.Fatal(err)
			}
		}
		way, complete := strings.CutSuffix(name, " (sets)")
		f := &fake{broken: way, complete: complete, deadline: 50 * time.Millisecond}
		if f.is("does not hear that it is to stop") {
			f.deadline = 1200 * time.Millisecond
		}
		targettest.Test(t, f.under())
		return
	}
	for _, p := range planted {
		t.Run(p.broken+" → "+p.caught, func(t *testing.T) {
			t.Parallel()
			name := p.broken
			if p.complete {
				name += " (sets)"
			}
			report, printed := conformance.RunPlanted(t, "TestTheSuiteCatchesWhatIsBroken", name, p.caught, "a protected person who is new never arrives") // so that it has run
			if o := outcome(report, p.caught); o != conformance.Failed {
				t.Errorf("the case is %q:\n%s", o, printed)
			}
			if said := said(printed, p.caught); !strings.Contains(said, p.words) {
				t.Errorf("it does not say %q:\n%s", p.words, said)
			}
		})
	}
}

func outcome(r conformance.Report, name string) conformance.Outcome {
	for _, c := range r.Cases {
		if c.Name == name {
			return c.Outcome
		}
	}
	return "not a case"
}

// said returns what a case printed.
func said(printed, name string) string {
	const run = "=== RUN   TestTheSuiteCatchesWhatIsBroken/"
	_, rest, _ := strings.Cut(printed, run+strings.ReplaceAll(name, " ", "_")+"\n")
	for end := 0; ; {
		i := strings.Index(rest[end:], run)
		if i < 0 {
			return rest
		}
		if line, _, _ := strings.Cut(rest[end+i+len(run):], "\n"); !strings.Contains(line, "/") {
			return rest[:end+i]
		}
		end += i + len(run)
	}
}
