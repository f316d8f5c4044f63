package reason

// The codes. Each has its texts in the catalogue; a test holds the two lists together.
const (
	Unexpected Code = "unexpected"

	// Reaching a system.
	Unreachable      Code = "unreachable"
	WrongCredentials Code = "wrong-credentials"
	HostKeyUnknown   Code = "host-key-unknown"
	HostKeyChanged   Code = "host-key-changed"
	NotPermitted     Code = "not-permitted"

	// Reading a file.
	NoFile      Code = "no-file"
	StaleFile   Code = "stale-file"
	FutureData  Code = "data-from-the-future"
	FileGrowing Code = "file-growing"
	TransferCut Code = "transfer-cut"
	Unreadable  Code = "unreadable"
	EmptyRead   Code = "empty-read"

	// Reaching an SFTP server, reading and writing its files.
	SecretUnusable    Code = "secret-unusable"
	NoCommonAlgorithm Code = "no-common-algorithm"
	ServerRefused     Code = "server-refused"
	TargetFull        Code = "target-full"
	RenameRefused     Code = "rename-refused"
	Throttled         Code = "throttled"
	NoAnswer          Code = "no-answer"
	AnswerUnreadable  Code = "answer-unreadable"
	NameTaken         Code = "name-taken"
	ItemRefused       Code = "item-refused"
	ItemChanged       Code = "item-changed"
	FileTooLarge      Code = "file-too-large"
	ArchiveUnsafe     Code = "archive-unsafe"
	ArchiveNested     Code = "archive-nested"
	ArchiveEncrypted  Code = "archive-encrypted"
	ArchiveAmbiguous  Code = "archive-ambiguous"

	// What a target does not get.
	NotFound           Code = "not-found" // the neutral answer for a protected person
	NoActiveRole       Code = "no-active-role"
	NoSchoolUnit       Code = "no-school-unit"
	NotCurrent         Code = "not-current"
	MissingValue       Code = "missing-value"
	FormulaLike        Code = "formula-like"
	GroupTypeLeftOut   Code = "group-type-left-out"
	OtherPersona       Code = "other-persona"
	TooManyInstructors Code = "too-many-instructors"
	OutOfScope         Code = "out-of-scope"
	FilterFailed       Code = "filter-failed"

	// What a target would refuse in a file.
	RowMissing    Code = "row-missing-value"
	RowDuplicate  Code = "row-duplicate-value"
	RowCharacters Code = "row-illegal-characters"
	RowUnresolved Code = "row-unresolved-reference"
	RowTooMany    Code = "row-too-many-values"

	// A link.
	LogRegressed    Code = "log-regressed"
	Leaving         Code = "leaving"
	NeedsMissing    Code = "needs-missing"
	PlaceTaken      Code = "place-taken"
	StillNeeded     Code = "still-needed"
	MembersRefused  Code = "members-refused"
	PreflightFailed Code = "preflight-failed"

	// Why a person is, or is not, in a target.
	SourceNeverRead Code = "source-never-read"
	ChangeWaits     Code = "change-waits"
	LeftRegister    Code = "left-register"
	ErasedPerson    Code = "erased-person"
	ExcludedByHand  Code = "excluded-by-hand"
	SuspendedByHand Code = "suspended-by-hand"
	NothingStated   Code = "nothing-stated"
	OutsideFilter   Code = "outside-filter"
	UnitLeftOut     Code = "unit-left-out"
	LinkInPreview   Code = "link-in-preview"
	LinkPaused      Code = "link-paused"
	LinkBehind      Code = "link-behind"
	NotSentYet      Code = "not-sent-yet"
	OlderState      Code = "older-state"
	NothingWished   Code = "nothing-wished"
	NoLongerWished  Code = "no-longer-wished"

	// The log, the ledger and the runs.
	LogMissing        Code = "log-missing"
	MembersMissing    Code = "members-missing"
	DeskIncomplete    Code = "desk-incomplete"
	NamesIncomplete   Code = "names-incomplete"
	NATSUnreachable   Code = "nats-unreachable"
	NATSCredentials   Code = "nats-wrong-credentials"
	LogRefused        Code = "log-refused"
	OutcomeUnknown    Code = "outcome-unknown"
	SchemaNewer       Code = "schema-newer"
	MessageUnreadable Code = "message-unreadable"
	RecordTooLarge    Code = "record-too-large"
	PurgeTooEarly     Code = "purge-too-early"
	PurgeStillNamed   Code = "purge-still-named"

	// Assembling what a source says.
	MissingID            Code = "missing-id"
	DuplicateDoc         Code = "duplicate-doc"
	ControlCharacters    Code = "control-characters"
	InvalidDate          Code = "invalid-date"
	EndBeforeStart       Code = "end-before-start"
	InvalidNumber        Code = "invalid-number"
	InvalidUnitCode      Code = "invalid-unit-code"
	InvalidEmail         Code = "invalid-email"
	UnknownCode          Code = "unknown-code"
	ConflictingAttribute Code = "conflicting-attribute"
	IdentityConflict     Code = "identity-conflict"
	RegistersDisagree    Code = "registers-disagree"
	UnknownReference     Code = "unknown-reference"
	UnitCycle            Code = "unit-cycle"
	StillStated          Code = "former-still-stated"
	InvalidRecord        Code = "invalid-record"

	// A run of a source.
	MissingRequired    Code = "missing-required"
	MissingRecommended Code = "missing-recommended"
	NumberChanged      Code = "number-changed"
	IDReused           Code = "id-reused"
	PublishRefused     Code = "publish-refused"
	CanaryMissing      Code = "canary-missing"

	// Protected persons. None of these tells who or how many they are.
	MarkUnreadable     Code = "mark-unreadable"
	MarksUnreadable    Code = "marks-unreadable"
	TooManyProtected   Code = "too-many-protected"
	TooManyUnprotected Code = "too-many-unprotected"
	NoProtectedRoutine Code = "no-protected-routine"

	// The document of a tenant.
	DocumentUnusable Code = "document-unusable"
	ExceptionEnds    Code = "exception-ends"
	ExceptionEnded   Code = "exception-ended"
	SecretExpires    Code = "secret-expires"
	SecretExpired    Code = "secret-expired"

	// The guard of a source.
	ChangesHeld       Code = "changes-held"
	ChangesRejected   Code = "changes-rejected"
	TooManyNew        Code = "too-many-new"
	TooManyIdentities Code = "too-many-identities"
	TooManyKeptBack   Code = "too-many-kept-back"
	GroupsExchanged   Code = "groups-exchanged"
	GroupsRekeyed     Code = "groups-rekeyed"
	PepperChanged     Code = "pepper-changed"
	ResourceHeld      Code = "resource-held"
	LinkHolds         Code = "link-holds"
	HoldGone          Code = "hold-gone"
	HoldChanged       Code = "hold-changed"
	HoldExpired       Code = "hold-expired"
	HoldGroupUnknown  Code = "hold-group-unknown"

	// Reading a document whose elements refer to each other.
	TruncatedFile     Code = "truncated-file"
	EncodingSuspect   Code = "encoding-suspect"
	ElementWithoutID  Code = "element-without-id"
	ElementTwice      Code = "element-twice"
	GroupTypeUnknown  Code = "group-type-unknown"
	RoleUnknown       Code = "role-unknown"
	DateUnreadable    Code = "date-unreadable"
	ReferenceDangling Code = "reference-dangling"
	GroupCycle        Code = "group-cycle"
	GroupInTwoUnits   Code = "group-in-two-units"
	InactiveUndated   Code = "inactive-undated"
	YearWithoutUnit   Code = "school-year-without-enrolment"
	RowUnreadable     Code = "row-unreadable"
	FileWithoutRows   Code = "file-without-rows"
)
