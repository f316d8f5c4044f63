package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"eventful.se/ess/libs/roster"
	"eventful.se/ess/services/ess/municipality"
)

// Directory is what the file of a directory shows.
type Directory struct {
	Units, Groups int
	Accounts      map[string]string // the id of every account that can be used, by its user name
	Disabled      map[string]bool   // the ids of the accounts that cannot, and whether one can see whose they are
	Places        map[string]bool   // who is in which group, by their ids
	Calls         int               // how many came that could change something, ever
}

// VerifyDirectory compares the file of the directory with the register, and says what differs without naming anyone. It
// knows the register from the municipality and the directory from the bytes, as [Verify] does, and shares no code with
// what made the one of the other. Known are the accounts that could ever be used: each belongs to the same person for good,
// in use or not.
//
// The user name of the demo is the e-mail address, so who has none has no account.
func VerifyDirectory(file []byte, m *municipality.Municipality, day roster.Date, known map[string]string) (Directory, error) {
	var f directoryFile
	if err := json.Unmarshal(file, &f); err != nil {
		return Directory{}, errors.New("it is not JSON")
	}
	people, groups := whoShouldBeThere(m, day)
	d := Directory{Accounts: map[string]string{}, Disabled: map[string]bool{}, Places: map[string]bool{}, Calls: f.Writes}
	byID := map[string]*directoryObject{}
	for i := range f.Objects {
		byID[f.Objects[i].ID] = &f.Objects[i]
	}
	var errs []error
	wantUnits, gotUnits, gotGroups := bag{}, bag{}, bag{}
	for _, u := range m.Units {
		if u.Parent != "" {
			wantUnits[u.Name]++
		}
	}
	wrong := 0
	for _, o := range f.Objects {
		switch {
		case o.Type == "unit":
			d.Units++
			gotUnits[o.Attributes["name"]]++
		case o.Type == "group":
			d.Groups++
			sets := map[string][]string{}
			for _, x := range o.Members {
				address := x.User
				if user := byID[x.User]; user != nil && !user.Disabled {
					address = user.Attributes["username"]
				}
				sets[x.Set] = append(sets[x.Set], address)
				d.Places[o.ID+" "+x.User] = true
			}
			gotGroups[classText(o.Attributes["name"], byID[o.Unit].name(), sets["members"], sets["owners"])]++
		case o.Disabled:
			d.Disabled[o.ID] = o.Attributes["email"] != ""
		default:
			address := o.Attributes["username"]
			if p, ok := people[address]; !ok || d.Accounts[address] != "" || o.Attributes["email"] != address ||
				o.Attributes["givenName"] != p.Given.Reveal() || o.Attributes["familyName"] != p.Family.Reveal() || !slices.Contains(p.Units, byID[o.Unit].name()) {
				wrong++
			}
			d.Accounts[address] = o.ID
		}
	}
	if missing := len(people) - len(d.Accounts); wrong > 0 || missing != 0 || len(byID) != len(f.Objects) {
		errs = append(errs, fmt.Errorf("accounts: %d are of nobody who is here, of another one, or there twice; %d are missing", wrong, max(0, missing)))
	}
	errs = append(errs, differ("units", wantUnits, gotUnits), differ("groups", groups, gotGroups), d.kept(known), unseen(string(file), m))
	return d, errors.Join(errs...)
}

// kept finds accounts that were lost, or are somebody else's now.
func (d Directory) kept(known map[string]string) error {
	lost := 0
	for address, id := range known {
		now, used := d.Accounts[address]
		_, disabled := d.Disabled[id]
		if used && now != id || !used && !disabled {
			lost++
		}
	}
	if lost > 0 {
		return fmt.Errorf("%d accounts were lost, or are others than before", lost)
	}
	return nil
}

// unseen finds persons whom nobody may see.
func unseen(file string, m *municipality.Municipality) error {
	n := 0
	for i := range m.Persons {
		if p := &m.Persons[i]; p.Marking.Protects() && p.Email != "" && strings.Contains(file, p.Email.Reveal()) {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%d protected persons can be seen", n)
	}
	return nil
}

// whoShouldBeThere returns the persons who should have an account, by their addresses, and the groups with those in
// them. Who is pupil and staff is a pupil.
func whoShouldBeThere(m *municipality.Municipality, day roster.Date) (people map[string]municipality.ActivePerson, groups bag) {
	a := m.Active(day)
	people, groups = map[string]municipality.ActivePerson{}, bag{}
	address := map[string]string{}
	for _, p := range slices.Concat(a.Staff, a.Pupils) {
		if p.Email != "" {
			people[p.Email.Reveal()], address[p.ID] = p, p.Email.Reveal()
		}
	}
	in := func(ids ...string) (out []string) {
		for _, id := range ids {
			if a, ok := address[id]; ok {
				out = append(out, a)
			}
		}
		return out
	}
	for _, g := range a.Groups {
		if g.Kind != municipality.Mentors {
			groups[classText(g.Name, g.Unit, in(g.Pupils...), in(slices.Concat(g.Teachers, g.Mentors)...))]++
		}
	}
	return people, groups
}

// directoryFile is the file, as far as it has to be understood.
type directoryFile struct {
	Writes  int               `json:"writes"`
	Objects []directoryObject `json:"objects"`
}

type directoryObject struct {
	ID         string            `json:"id"`
	Type       string            `json:"type"`
	Disabled   bool              `json:"disabled"`
	Unit       string            `json:"unit"`
	Attributes map[string]string `json:"attributes"`
	Members    []struct {
		Set  string `json:"set"`
		User string `json:"user"`
	} `json:"members"`
}

func (o *directoryObject) name() string {
	if o == nil {
		return "nowhere"
	}
	return o.Attributes["name"]
}

// since tells what became of accounts and places in groups. Where somebody was hidden it tells nothing.
func (d Directory) since(before Directory) (lines []string) {
	var gone, back []string
	for id, seen := range d.Disabled {
		if _, was := before.Disabled[id]; was {
			continue
		}
		if !seen {
			return []string{notTold}
		}
		gone = append(gone, id)
	}
	for _, id := range d.Accounts {
		if _, was := before.Disabled[id]; was {
			back = append(back, id)
		}
	}
	slices.Sort(back)
	switch {
	case len(gone) == 1:
		lines = append(lines, fmt.Sprintf("account %s is disabled, and stays for %d days", gone[0], grace))
	case len(gone) > 1:
		lines = append(lines, fmt.Sprintf("%d accounts are disabled, and stay for %d days", len(gone), grace))
	}
	for _, id := range back {
		lines = append(lines, fmt.Sprintf("account %s is in use again, as it was", id))
	}
	added, removed := 0, 0
	for place := range d.Places {
		if !before.Places[place] {
			added++
		}
	}
	for place := range before.Places {
		if !d.Places[place] {
			removed++
		}
	}
	if added+removed > 0 {
		lines = append(lines, fmt.Sprintf("+%d −%d places in groups", added, removed))
	}
	return lines
}
