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
}
