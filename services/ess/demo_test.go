package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDemoOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := ess(t, "demo", "--once", "--pupils", "60", "--dir", dir)
	if first.status != 0 {
		t.Fatalf("exit status %d:\n%s%s", first.status, first.stdout, first.stderr)
	}
	for _, part := range []string{
		"equals the register", "0 events: nothing changed", "nothing: no event, no upload",
		"A pupil is protected", "whom it concerns is not told", "held          20 changes", "essctl held approve ", "held.approve of 20 items", "20 person deleted",
		"replay        0 operations", "resync        0 operations; 0 uploads and 0 calls in both", "Summary",
		"the directory equals the register", "is disabled, and stays for 180 days", "is in use again, as it was", "places in groups", "20 accounts are disabled",
		"the directory had no groups: +",
	} {
		if !strings.Contains(first.stdout, part) {
			t.Errorf("it does not tell %q:\n%s", part, first.stdout)
		}
	}
	if first.stderr != "" {
		t.Errorf("standard error says %q, want nothing without --log-level", first.stderr)
	}
	pepper := read(t, filepath.Join(dir, "secrets", "pepper"))

	again := ess(t, "demo", "--once", "--pupils", "60", "--dir", dir)
	if again.status != 0 {
		t.Fatalf("in the same directory: exit status %d:\n%s%s", again.status, again.stdout, again.stderr)
	}
	if read(t, filepath.Join(dir, "secrets", "pepper")) != pepper {
		t.Error("the pepper rotated")
	}
	if strings.Contains(again.stdout, "organisation created") {
		t.Errorf("the log of the first demo is gone:\n%s", again.stdout)
	}
}

func TestDemoOfEduCloud(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 { // the second has another address, and what the first kept
		out := ess(t, "demo", "--once", "--source", "educloud", "--pupils", "60", "--dir", dir)
		if out.status != 0 || out.stderr != "" {
			t.Fatalf("exit status %d:\n%s%s", out.status, out.stdout, out.stderr)
		}
		for _, part := range []string{
			"an API of SS 12000", "complete: true", "complete: false", "0 events: nothing changed", "is in use again, as it was", "whom it concerns is not told",
			"held          20 changes", "--source educloud", "20 person deleted", "the directory had no groups: +", "the delivered files and the directory equalled the register",
		} {
			if !strings.Contains(out.stdout, part) {
				t.Errorf("it does not tell %q:\n%s", part, out.stdout)
			}
		}
	}
	if out := ess(t, "demo", "--once", "--pupils", "60", "--dir", dir); out.status != 1 || !strings.Contains(out.stderr, "holds a demo of educloud") {
		t.Errorf("a demo of another register in the same directory: exit status %d: %s", out.status, out.stderr)
	}
	if out := ess(t, "demo", "--source", "sokigo"); out.status != 1 || !strings.Contains(out.stderr, "choose alvis or educloud") {
		t.Errorf("a demo of no register: exit status %d: %s", out.status, out.stderr)
	}
}

func TestDemoFailsWhereTheFilesDiffer(t *testing.T) {
	t.Parallel()
	other, dir := t.TempDir(), t.TempDir()
	if out := ess(t, "demo", "--once", "--pupils", "60", "--seed", "2", "--dir", other); out.status != 0 {
		t.Fatalf("exit status %d:\n%s", out.status, out.stdout)
	}
	deliveries, err := filepath.Glob(filepath.Join(other, "apple", "dropbox", "*.zip"))
	if err != nil || len(deliveries) == 0 {
		t.Fatalf("nothing was delivered (%v)", err)
	}
	// What the inbox shows as the newest delivery is that of another municipality.
	planted := write(t, filepath.Join(dir, "apple", "dropbox", "planted.zip"), read(t, deliveries[0]))
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(planted, later, later); err != nil {
		t.Fatal(err)
	}
	out := ess(t, "demo", "--once", "--pupils", "60", "--dir", dir)
	if out.status != 1 || !strings.Contains(out.stdout, "planted.zip does not equal the register") {
		t.Errorf("exit status %d, want 1:\n%s", out.status, out.stdout)
	}
	if want := "ess: the targets do not equal the register\n"; out.stderr != want {
		t.Errorf("standard error is %q, want %q", out.stderr, want)
	}
}

func TestDemoFailsWhereTheDirectoryDiffers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// Somebody else's account, which no link touches, and nobody in the register has.
	write(t, filepath.Join(dir, "directory.json"), `{"serial": 1, "objects": [{"id": "000001", "type": "user", "attributes": {"username": "surplus@ess.example"}}]}`)
	out := ess(t, "demo", "--once", "--pupils", "60", "--dir", dir)
	if out.status != 1 || !strings.Contains(out.stdout, "the directory does not equal the register: accounts: 1 are of nobody") {
		t.Errorf("exit status %d, want 1:\n%s", out.status, out.stdout)
	}
	if want := "ess: the targets do not equal the register\n"; out.stderr != want {
		t.Errorf("standard error is %q, want %q", out.stderr, want)
	}
}

func TestDemoEndsWhenAsked(t *testing.T) {
	t.Parallel()
	c := start(t, nil, "ess", "demo", "--pupils", "60", "--pause", "10s")
	c.await(t, "equals the register")
	status, took := c.terminate(t)
	if status != 0 || took > 10*time.Second {
		t.Errorf("exit status %d after %s:\n%s", status, took, c.log.String())
	}
}

func TestDemoOnceThatIsEndedEarlyFails(t *testing.T) {
	t.Parallel()
	c := start(t, nil, "ess", "demo", "--once", "--pupils", "400")
	c.await(t, "equals the register")
	if status, _ := c.terminate(t); status != 1 || !strings.Contains(c.log.String(), "ended before its last step") {
		t.Errorf("exit status %d:\n%s", status, c.log.String())
	}
}

func TestDemoRefusesFewerPupilsThanThereCanBe(t *testing.T) {
	t.Parallel()
	for _, n := range []string{"-5", "59"} {
		if out := ess(t, "demo", "--pupils", n); out.status != 1 || !strings.Contains(out.stderr, "--pupils is "+n+": choose 60 to") {
			t.Errorf("exit status %d: %s", out.status, out.stderr)
		}
	}
}

func TestAFlagIsBlamedByItsName(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"demo", "--log-level", "loud"}, {"run", "--config", t.TempDir(), "--log-level", "loud"}} {
		if out := ess(t, args...); out.status != 1 || !strings.Contains(out.stderr, "--log-level is \"loud\"") {
			t.Errorf("%v: exit status %d: %s", args, out.status, out.stderr)
		}
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
