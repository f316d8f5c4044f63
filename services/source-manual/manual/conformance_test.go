package manual

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/libs/source/sourcetest"
	"eventful.se/ess/libs/testbed"
)

func TestConformance(t *testing.T) {
	f := &decisionFile{path: filepath.Join(t.TempDir(), "manual.yaml")}
	sourcetest.Test(t, sourcetest.Under{
		Connector: Connector(),
		Settings:  "file: " + f.path,
		Register:  f,
		Against:   "a file",
		Steps: map[sourcetest.Fault]string{
			sourcetest.Nothing: "file", sourcetest.Rights: "file", sourcetest.Garbage: "content",
		},
		Claims: sourcetest.Claims{
			NoDelta:  "decisions are few, and read whole",
			NoStream: "the file is checked to its end before anything of it is emitted",
			NoUnits:  "it decides about persons, and refers to the units of registers",
			NoGroups: "it decides about persons, and adds them to the groups of registers",
			NoWrong:  "any path may be that of the file; whether it is there shows when it is read",
			Foreign:  alvis,
		},
	})
}

// decisionFile is the file, and the people who write in it.
type decisionFile struct {
	path string
	good []byte
	back func() error // to who runs the test, from who may read nothing
}

// Hold decides that a town is to be.
func (f *decisionFile) Hold(t sourcetest.Town) error {
	var b bytes.Buffer
	who := func(no string) string { return "{number: " + no[:8] + "-" + no[8:] + "}" }
	numbers := map[string]string{}
	b.WriteString("persons:\n")
	for _, p := range t.Persons {
		numbers[p.ID] = p.CivicNo
		fmt.Fprintf(&b, "  - person: %s\n%s    until: 2027-12-31\n    givenName: %s\n    familyName: %s\n    personas: [{role: %s, email: %s}]\n",
			who(p.CivicNo), decided, p.GivenName, p.FamilyName, p.Role, p.Email)
		list := "enrolments"
		if p.Role == roster.RoleStaff {
			list = "duties"
		}
		end := ""
		if p.End != "" {
			end = ", end: " + p.End
		}
		fmt.Fprintf(&b, "    %s: [{unit: {source: %s, id: %s}%s}]\n", list, alvis, p.Unit, end)
	}
	b.WriteString("memberships:\n")
	for _, g := range t.Groups {
		for _, m := range g.Members {
			fmt.Fprintf(&b, "  - group: {source: %s, id: %s}\n    person: %s\n%s    until: 2027-12-31\n    role: %s\n", alvis, g.ID, who(numbers[m.Person]), decided, m.Role)
		}
	}
	b.WriteString("protect:\n")
	for _, p := range t.Persons {
		if p.Protected {
			fmt.Fprintf(&b, "  - person: %s\n%s", who(p.CivicNo), decided)
		}
	}
	b.WriteString("...\n")
	f.good = b.Bytes()
	return f.Mend()
}

// Break breaks the file.
func (f *decisionFile) Break(fault sourcetest.Fault) (string, error) {
	half := bytes.LastIndexByte(f.good[:len(f.good)/2], '\n') + 1
	switch fault {
	case sourcetest.Nothing:
		return "", errors.Join(os.Remove(f.path), os.Mkdir(f.path, 0o700))
	case sourcetest.Rights:
		err := os.Chmod(f.path, 0)
		if err == nil {
			f.back, err = testbed.Unprivileged()
		}
		return "", err
	case sourcetest.Cut:
		return "", os.WriteFile(f.path, f.good[:half], 0o600)
	case sourcetest.Garbage:
		return "", os.WriteFile(f.path, []byte("Kanarina,186001011003: {\n...\n"), 0o600)
	case sourcetest.GarbageLate:
		return "", os.WriteFile(f.path, bytes.Join([][]byte{f.good[:half], f.good[half:]}, []byte("    Kanarina: {186001011003\n")), 0o600)
	case sourcetest.Empty:
		return "a file without decisions is believed: they are taken back", nil
	case sourcetest.Unreachable, sourcetest.SignIn, sourcetest.OtherPeer:
		return "a file has no peer", nil
	default:
		return "a file answers at once", nil
	}
}

// Mend writes the file anew.
func (f *decisionFile) Mend() error {
	if f.back != nil {
		if err := f.back(); err != nil {
			return err
		}
		f.back = nil
	}
	if info, err := os.Stat(f.path); err == nil && info.IsDir() {
		if err := os.Remove(f.path); err != nil {
			return err
		}
	}
	return errors.Join(os.WriteFile(f.path, f.good, 0o600), os.Chmod(f.path, 0o600))
}
