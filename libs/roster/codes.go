package roster

// SchoolType is a school form by its SS 12000 code; an unknown one is kept as the source wrote it.
type SchoolType string

// GroupType is the sort of a group in SS 12000's words; an unknown one is kept as the source wrote it.
type GroupType string

// DutyRole is the role of a member of staff in SS 12000's words; an unknown one is kept as the source wrote it.
type DutyRole string
