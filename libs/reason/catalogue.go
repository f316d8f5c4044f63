package reason

// entry is what the catalogue knows of a code: what is wrong and what to do, in Swedish and in English.
type entry struct{ sv, en, nextSv, nextEn string }

func (e entry) text(l Language) string {
	if l == Swedish {
		return e.sv
	}
	return e.en
}

func (e entry) next(l Language) string {
	if l == Swedish {
		return e.nextSv
	}
	return e.nextEn
}

// The codes. Each has its texts in the catalogue below; a test holds the two lists together.
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
	FileGrowing Code = "file-growing"
	TransferCut Code = "transfer-cut"
	Unreadable  Code = "unreadable"
	EmptyRead   Code = "empty-read"

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

	// What a target would refuse in a file.
	RowMissing    Code = "row-missing-value"
	RowDuplicate  Code = "row-duplicate-value"
	RowCharacters Code = "row-illegal-characters"
	RowUnresolved Code = "row-unresolved-reference"
	RowTooMany    Code = "row-too-many-values"
)

var catalogue = map[Code]entry{
	Unexpected: {
		"Ett oväntat fel inträffade.", "Something unexpected went wrong.",
		"Läs loggraden med samma körning och rapportera felet.", "Read the log line of the same run and report the fault.",
	},
	Unreachable: {
		"{address} kunde inte nås eller släpper inte in oss.", "{address} could not be reached, or does not let our address in.",
		"Kontrollera adress, brandvägg och att vår IP-adress är tillåten hos leverantören.", "Check the address, the firewall and that our IP address is on the vendor's allow list.",
	},
	WrongCredentials: {
		"{address} godkände inte inloggningen för {user}.", "{address} did not accept the credentials of {user}.",
		"Kontrollera användarnamn och hemlighet hos leverantören; vi försöker inte igen förrän de är ändrade.", "Check the user name and the secret with the vendor; we do not try again until they have changed.",
	},
	HostKeyUnknown: {
		"{address} har en värdnyckel som inte är godkänd: {fingerprint}.", "{address} shows a host key that is not pinned: {fingerprint}.",
		"Jämför fingeravtrycket med leverantörens och lägg det i inställningen hostKeys.", "Compare the fingerprint with the vendor's, then add it to the setting hostKeys.",
	},
	HostKeyChanged: {
		"{address} har bytt värdnyckel till {fingerprint}; inget lästes.", "{address} changed its host key to {fingerprint}; nothing was read.",
		"Fråga leverantören om bytet är deras. Lägg först därefter fingeravtrycket i hostKeys.", "Ask the vendor whether the change is theirs. Only then add the fingerprint to hostKeys.",
	},
	NotPermitted: {
		"{address} nekar åtkomst till {path}.", "{address} refuses access to {path}.",
		"Be leverantören om rättigheten.", "Ask the vendor for the right.",
	},
	NoFile: {
		"Ingen fil i {path} passar {pattern}.", "No file in {path} matches {pattern}.",
		"Kontrollera att exporten är påslagen och att katalog och filnamn stämmer.", "Check that the export is switched on, and that directory and file name are right.",
	},
	StaleFile: {
		"{file} är från {time}, äldre än vad som godtas.", "{file} is of {time}, older than accepted.",
		"Kontrollera att leverantörens export körs.", "Check that the vendor's export runs.",
	},
	FileGrowing: {
		"{file} skrevs fortfarande när den skulle läsas.", "{file} was still being written when it was to be read.",
		"Inget: läsningen görs om.", "Nothing: the read is tried again.",
	},
	TransferCut: {
		"Överföringen av {file} bröts efter {bytes} byte.", "The transfer of {file} broke after {bytes} bytes.",
		"Inget: läsningen görs om.", "Nothing: the read is tried again.",
	},
	Unreadable: {
		"{file} kunde inte läsas: {what}.", "{file} could not be read: {what}.",
		"Be leverantören om en ny fil. Inget har ändrats.", "Ask the vendor for a new file. Nothing was changed.",
	},
	EmptyRead: {
		"Läsningen gav inga personer.", "The read gave no persons.",
		"Kontrollera exporten i registret. Inget har ändrats.", "Check the export in the register. Nothing was changed.",
	},
	NotFound: {
		"Hittades inte.", "Not found.",
		"Inget.", "Nothing.",
	},
	NoActiveRole: {
		"Personen har ingen inskrivning eller tjänst som gäller i dag.", "The person has no enrolment or duty that is valid today.",
		"Kontrollera inskrivningens eller tjänstens datum i registret.", "Check the dates of the enrolment or duty in the register.",
	},
	NoSchoolUnit: {
		"Skolenheten saknas eller är inte aktiv i dag.", "The school unit is missing, or is not active today.",
		"Kontrollera i registret att kopplingen går till en skolenhet som gäller i dag.", "Check in the register that it belongs to a school unit that is valid today.",
	},
	NotCurrent: {
		"Gäller inte i dag.", "Is not valid today.",
		"Kontrollera start- och slutdatum i registret.", "Check start and end dates in the register.",
	},
	MissingValue: {
		"Målet kräver {column}, som saknas i registret.", "The target requires {column}, which the register does not have.",
		"Fyll i uppgiften i registret.", "Fill it in, in the register.",
	},
	FormulaLike: {
		"{column} börjar med =, +, - eller @ och kan tolkas som en formel.", "{column} begins with =, +, - or @ and may be taken for a formula.",
		"Rätta uppgiften i registret.", "Correct it in the register.",
	},
	GroupTypeLeftOut: {
		"Grupper av typen {type} skickas inte hit.", "Groups of type {type} are not sent here.",
		"Inget, eller lägg till typen i inställningen groupTypes.", "Nothing, or add the type to the setting groupTypes.",
	},
	OtherPersona: {
		"Personen skickas i en annan roll: {role}.", "The person is sent in another role: {role}.",
		"Inget, eller ändra inställningen personaWins.", "Nothing, or change the setting personaWins.",
	},
	TooManyInstructors: {
		"Klassen har fler lärare än de {limit} som målet tar emot.", "The class has more teachers than the {limit} that the target takes.",
		"Ta bort lärare från gruppen i registret.", "Take teachers out of the group in the register.",
	},
	RowMissing: {
		"{file}, rad {row}: {column} saknas.", "{file}, row {row}: {column} is missing.",
		"Fyll i uppgiften i registret.", "Fill it in, in the register.",
	},
	RowDuplicate: {
		"{file}, rad {row}: {column} är samma som på rad {other}.", "{file}, row {row}: {column} is the same as in row {other}.",
		"Rätta den ena i registret.", "Correct one of the two in the register.",
	},
	RowCharacters: {
		"{file}, rad {row}: {column} har tecken som målet inte tar emot.", "{file}, row {row}: {column} has characters that the target does not take.",
		"Rätta uppgiften i registret.", "Correct it in the register.",
	},
	RowUnresolved: {
		"{file}, rad {row}: det som {column} pekar på finns inte i filerna.", "{file}, row {row}: what {column} refers to is not in the files.",
		"Rapportera felet; inget har skickats.", "Report the fault; nothing was sent.",
	},
	RowTooMany: {
		"{file}, rad {row}: {column} har fler värden än de {limit} som målet tar emot.", "{file}, row {row}: {column} has more values than the {limit} that the target takes.",
		"Ta bort några i registret.", "Take some out in the register.",
	},
}
