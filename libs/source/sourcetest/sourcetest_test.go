package sourcetest_test

import (
	"slices"
	"strings"
	"testing"

	"eventful.se/ess/libs/conformance"
	"eventful.se/ess/libs/source/sourcetest"
)

func TestASourceThatDoesEverythingRightPasses(t *testing.T) { sourcetest.Test(t, newClay("").under()) }

// Each flaw is one that a source of a customer had, or could have: by which case it is caught, and by which words.
func TestTheSuiteCatches(t *testing.T) {
	if flaw := conformance.Planted(); flaw != "" {
		sourcetest.Test(t, newClay(flaw).under())
		return
	}
	for flaw, want := range map[string]struct{ by, words string }{
		"takes wrong settings":                           {"wrong settings are refused, each with its path", `want it refused at "name"`},
		"connects when it is opened":                     {"settings are checked and a source is opened without network", "no network is used before a read"},
		"claims to state no groups":                      {"a read of everything says what the register holds", "it claims to state no groups"},
		"forgets who left":                               {"a person who is deleted is gone", "too much: person"},
		"forgets who moved":                              {"a move to another school is seen", "missing:  person"},
		"has no last days":                               {"the last day of a person at a school is seen", "missing:  person"},
		"calls a delta complete":                         {"what changed since, read again and again, comes to the same as reading everything", "calls itself complete"},
		"takes any cursor":                               {"a cursor that the register no longer knows is no reason to miss anything", "a cursor that it never gave is taken for one"},
		"acknowledges early":                             {"a run that could not be published or saved is made again, and misses nothing", "a restart may repeat, never skip"},
		"has another order every time":                   {"the same register gives the same docs in the same order", "R11"},
		"calls docs by their place":                      {"a doc keeps its id when others come and go", "never on its place"},
		"reads one page":                                 {"a read of everything says what the register holds", "missing:  person"},
		"misses what changes in the moment of a read":    {"what changes in the very moment of a read is seen by the next one", "missing:  person"},
		"drops the mark of protection from what changed": {"a protected person is kept as the connector says", "no doc says so"},
		"drops the mark of protection":                   {"a protected person is kept as the connector says", "no doc says so"},
		"swallows the error of emit":                     {"a read that fails at any doc is not believed", "as if it had been"},
		"emits on after an error":                        {"a read that fails at any doc is not believed", "an error from emit ends the read"},
		"believes what was cut":                          {"a register that fails is not believed: cut off", "the read is believed"},
		"has errors without a reason":                    {"a register that fails is not believed: unreachable", "says no reason that a person could act on"},
		"does not listen":                                {"a read that is called off ends within a second, wherever it is", "look at the context between docs"},
		"waits for ever":                                 {"a read of a register that hangs ends within a second of being called off", "every wait ends with its context"},
		"leaves something running":                       {"a read leaves nothing running, however it ends", "something still runs"},
		"keeps everything in memory":                     {"a read emits as it goes, and keeps little in memory", "emit docs as they are read"},
		"checks nothing":                                 {"a check names the step that fails: sign-in refused", "every step of the check is well"},
		"shows a number in an error":                     {"no error, log line or result shows a secret or a person", "R8: an identity number"},
		"shows its password":                             {"no error, log line or result shows a secret or a person", "R8: a secret of the settings"},
		"names people in a place":                        {"no error, log line or result shows a secret or a person", "R8: a given name"},
		"claims no delta, and gives a cursor": {
			"what changed since, read again and again, comes to the same as reading everything", "its read gives a cursor: drop the claim",
		},
		"claims to read everything where something changed": {
			"what changed since, read again and again, comes to the same as reading everything", "it claims to read everything when something changed",
		},
		"claims to keep everything in memory": {"a read emits as it goes, and keeps little in memory", "drop the claim"},
	} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			report, printed := conformance.RunPlanted(t, "TestTheSuiteCatches", flaw, want.by)
			i := slices.IndexFunc(report.Cases, func(c conformance.Case) bool { return c.Name == want.by })
			if i < 0 {
				t.Fatalf("there is no case %q; it printed\n%s", want.by, printed)
			}
			if report.Cases[i].Outcome != conformance.Failed {
				t.Errorf("the case %q is %s, want it to fail; it printed\n%s", want.by, report.Cases[i].Outcome, printed)
			}
			if !strings.Contains(printed, want.words) {
				t.Errorf("nothing says %q; it printed\n%s", want.words, printed)
			}
		})
	}
}
