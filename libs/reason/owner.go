package reason

// Owner says who can mend what a reason tells of.
type Owner string

// The owners.
const (
	School     Owner = "school"     // who keeps the register
	Vendor     Owner = "vendor"     // who makes the register's export
	Operations Owner = "operations" // who runs ESS and its settings
)

// Owner returns who can mend a finding of this code. What is not about an export or a setting is mended in the register.
func (c Code) Owner() Owner {
	switch c {
	case MissingID, ElementWithoutID, EncodingSuspect, DateUnreadable, TruncatedFile, DuplicateDoc, InactiveUndated, Unreadable, MarksUnreadable, CanaryMissing,
		ListMissing, ListEmpty, ClockDiffers, UnlikeStandard, RowUnreadable, FileWithoutRows:
		return Vendor
	case GroupTypeUnknown, RoleUnknown, UnknownCode, Unexpected, PublishRefused, NoProtectedRoutine, DeltaDoubtful, RegisterArchives:
		return Operations
	default:
		return School
	}
}
