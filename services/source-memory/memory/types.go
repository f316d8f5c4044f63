package memory

import "eventful.se/ess/libs/roster"

// change is when an entry last changed, and whether it is gone since.
type change struct {
	Version int  `json:"version"`
	Deleted bool `json:"deleted"`
}

// unit is a school unit.
type unit struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	change
}

// person is a pupil or a member of staff of one unit.
type person struct {
	ID         string          `json:"id"`
	CivicNo    roster.Personal `json:"civicNo"`
	GivenName  roster.Personal `json:"givenName"`
	FamilyName roster.Personal `json:"familyName"`
	Username   roster.Personal `json:"username"`
	Email      roster.Personal `json:"email"`
	Role       string          `json:"role"` // pupil or staff
	Unit       string          `json:"unit"` // id
	End        string          `json:"end"`  // the last day there, YYYY-MM-DD; empty for none
	Marking    string          `json:"marking"`
	change
}

// group is a class or teaching group.
type group struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Unit    string   `json:"unit"` // id
	Members []member `json:"members"`
	change
}

// member is a person in a group.
type member struct {
	Person string `json:"person"` // id
	Role   string `json:"role"`
}
