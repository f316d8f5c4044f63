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

// general has all but what the other files of the catalogue have; together they are the [catalogue].
var general = map[Code]entry{
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
		"Kontrollera användarnamn och hemlighet med den som driver {address}. En källa läses inte om av sig själv före nästa schemalagda läsning, för försök låser konton; en länk prövar igen, allt mer sällan, och inte tidigare för att den startas om; andra inställningar eller essctl parked retry får den att pröva genast.", "Check the user name and the secret with whoever runs {address}. A source is not read again by itself before its next scheduled read, for attempts lock accounts; a link tries again, ever more seldom and no sooner for being restarted; other settings or essctl parked retry have it try at once.",
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
	FutureData: {
		"{file} säger sig vara från {time}, som inte har varit. Den läses som om den vore från nu.", "{file} says that it is of {time}, which is yet to come. It is read as if it were of now.",
		"Be leverantören rätta klockan i systemet som skriver exporten.", "Ask the vendor to correct the clock of the system that writes the export.",
	},
	FileGrowing: {
		"{file} skrevs fortfarande när den skulle läsas.", "{file} was still being written when it was to be read.",
		"Inget: läsningen görs om.", "Nothing: the read is tried again.",
	},
	FilesMissing: {
		"Exporten har {count} filer av {expected} som den ska ha, eller inte dem som väntas.", "The export has {count} files of {expected} that it has to have, or not those that are expected.",
		"Be leverantören om hela exporten, eller rätta expect. Inget har ändrats.", "Ask the vendor for the whole export, or mend expect. Nothing was changed.",
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
	SecretUnusable: {
		"Hemligheten {secret} kan inte användas: {what}.", "The secret {secret} cannot be used: {what}.",
		"Rätta hemligheten eller hänvisningen till den.", "Mend the secret, or the reference to it.",
	},
	NoCommonAlgorithm: {
		"{address} kan ingen av de krypteringsmetoder som vi godtar.", "{address} knows none of the cryptographic algorithms that we accept.",
		"Be leverantören uppdatera sin SFTP-server.", "Ask the vendor to update their SFTP server.",
	},
	ServerRefused: {
		"{address} svarade med fel för {path}.", "{address} answered with a failure for {path}.",
		"Försöket görs om. Fråga leverantören om felet består.", "It is tried again. Ask the vendor if it persists.",
	},
	TargetFull: {
		"{address} har inte plats för {path}.", "{address} has no room for {path}.",
		"Be leverantören frigöra utrymme. Leveransen görs om.", "Ask the vendor to free space. The delivery is tried again.",
	},
	RenameRefused: {
		"{address} tillåter inte att filen får namnet {path}.", "{address} does not let the file take the name {path}.",
		"Be leverantören om rätten att byta namn på filer, eller lämna filen direkt under sitt namn.", "Ask the vendor for the right to rename, or deliver directly under the final name.",
	},
	Throttled: {
		"{address} tar inte emot fler anrop just nu.", "{address} takes no more calls for now.",
		"Inget: försöket görs om när det är tillåtet.", "Nothing: it is tried again when that is allowed.",
	},
	NoAnswer: {
		"{address} svarade inte inom {time}.", "{address} did not answer within {time}.",
		"Inget: försöket görs om. Fråga leverantören om felet består.", "Nothing: it is tried again. Ask the vendor if it persists.",
	},
	AnswerUnreadable: {
		"Svaret från {address} gick inte att förstå: {what}.", "The answer of {address} could not be understood: {what}.",
		"Försöket görs om. Fråga leverantören om felet består.", "It is tried again. Ask the vendor if it persists.",
	},
	NameTaken: {
		"{column} används redan av något annat i målsystemet.", "{column} is in use already by something else in the target.",
		"Rätta det ena i registret, eller det andra i målsystemet.", "Correct the one in the register, or the other in the target.",
	},
	ItemRefused: {
		"{address} tar inte emot den som den är: {what}.", "{address} does not take it as it is: {what}.",
		"Rätta uppgifterna i registret.", "Correct the data in the register.",
	},
	ItemChanged: {
		"Det som skulle ändras i {address} är inte det som det var.", "What was to be changed in {address} is not what it was.",
		"Inget: det läses om, och sedan ändras det som skiljer.", "Nothing: it is read again, and then changed where it differs.",
	},
	FileTooLarge: {
		"{file} är större än {limit} byte, uppackad eller som den är.", "{file} is larger than {limit} bytes, unpacked or as it is.",
		"Kontrollera filen. Är den riktig, höj gränsen (limits i källans inställningar). Inget har ändrats.", "Look at the file. If it is right, raise the limit (limits in the settings of the source). Nothing was changed.",
	},
	ArchiveUnsafe: {
		"Arkivet {file} har ett namn som pekar utanför arkivet.", "The archive {file} holds a name that leads out of it.",
		"Fråga leverantören hur filen blev till. Inget har ändrats.", "Ask the vendor how the file came to be. Nothing was changed.",
	},
	ArchiveNested: {
		"Arkivet {file} innehåller ett annat arkiv.", "The archive {file} holds another archive.",
		"Be leverantören lämna exporten i ett enda arkiv. Inget har ändrats.", "Ask the vendor to deliver the export in one archive. Nothing was changed.",
	},
	ArchiveEncrypted: {
		"Arkivet {file} är krypterat.", "The archive {file} is encrypted.",
		"Be leverantören lämna arkivet utan lösenord; överföringen är redan krypterad.", "Ask the vendor for an archive without a password; the transfer is encrypted already.",
	},
	ArchiveAmbiguous: {
		"Arkivet {file} innehåller {count} filer som passar {pattern}; det ska vara en.", "The archive {file} holds {count} files that match {pattern}; it must be one.",
		"Be leverantören om ett arkiv med bara exporten. Inget har ändrats.", "Ask the vendor for an archive with only the export. Nothing was changed.",
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
	NameUnfit: {
		"Målet tar inte emot användarnamnet: {column} har högst {limit} tecken, inga blanka och inget av {refused}, och slutar inte med punkt.", "The target does not take the user name: {column} has at most {limit} characters, no blank and none of {refused}, and does not end with a dot.",
		"Rätta användarnamnet i registret, eller låt kundens namnregler ge namnen (names).", "Correct the user name in the register, or have the rules of the tenant give the names (names).",
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
	OutOfScope: {
		"Länkens filter eller inställningar omfattar den inte. Det som redan finns i målsystemet ligger kvar, men sköts inte längre härifrån.", "The filter or the settings of the link leave it out. What the target holds already stays, and is no longer kept up to date.",
		"Inget. Ska den med: ändra filter (filter), enheter (units) eller länkens inställningar i kundens dokument.", "Nothing. To have it: change filter, units or the settings of the link in the tenant's document.",
	},
	FilterFailed: {
		"Länkens filter går inte att räkna ut för den; det som finns i målsystemet ligger kvar som det är.", "The filter of the link cannot be worked out for it; what the target holds stays as it is.",
		"Skriv om filtret så att det inte räknar med uppgifter som kan saknas.", "Write the filter so that it does not count on data that may be missing.",
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
	Leaving: {
		"Personen har slutat {since}; det som finns i målsystemet ligger kvar till {until}.", "The person left {since}; what the target holds stays until {until}.",
		"Inget. Har personen inte slutat: rätta skolan eller datumen i registret.", "Nothing. If the person has not left, correct the school or the dates in the register.",
	},
	SourceNeverRead: {
		"{source} har aldrig lästs.", "{source} has never been read.",
		"Läs nu med essctl sources read, och se vad läsningen säger.", "Read it now with essctl sources read, and look what the read comes to.",
	},
	ChangeWaits: {
		"En ändring av personen från {source} ({operation}) väntar på ett beslut ({digest}).", "A change of the person from {source} ({operation}) waits for a decision ({digest}).",
		"Visa vad som väntar med essctl held show, kontrollera det mot registret, och godkänn eller avslå.", "Show what waits with essctl held show, compare it with the register, then approve or reject it.",
	},
	LeftRegister: {
		"{source} säger att personen har slutat.", "{source} says that the person has left.",
		"Inget. Har personen inte slutat: rätta placeringen i registret.", "Nothing. If the person has not left, mend the enrolment in the register.",
	},
	ErasedPerson: {
		"Personen är raderad på begäran.", "The person was erased on request.",
		"Inget.", "Nothing.",
	},
	ExcludedByHand: {
		"Ett beslut för hand undantar personen från alla målsystem till och med {until}.", "A decision by hand excludes the person from every target until {until}.",
		"Inget. Gäller beslutet inte längre: se essctl manual list, och ta tillbaka det.", "Nothing. If the decision no longer holds, see essctl manual list, and take it back.",
	},
	SuspendedByHand: {
		"Ett beslut för hand stänger av personen i alla målsystem till och med {until}.", "A decision by hand suspends the person in every target until {until}.",
		"Inget. Gäller beslutet inte längre: se essctl manual list, och ta tillbaka det.", "Nothing. If the decision no longer holds, see essctl manual list, and take it back.",
	},
	NothingStated: {
		"{source} säger inget om personen; den lästes senast {when}.", "{source} says nothing of the person; it was last read {when}.",
		"Se efter i registret att personen är med i det som exporteras.", "Look in the register that the person is in what it exports.",
	},
	OutsideFilter: {
		"Länkens filter tar inte med personen: {filter}", "The filter of the link leaves the person out: {filter}",
		"Inget. Ska personen med: ändra filter i kundens dokument, eller placeringen i registret.", "Nothing. To have the person, change filter in the tenant's document, or the enrolment in the register.",
	},
	UnitLeftOut: {
		"Personen är bara vid enheter som kundens dokument undantar.", "The person is only at units that the tenant's document excludes.",
		"Inget. Ska personen med: ändra units i kundens dokument, eller placeringen i registret.", "Nothing. To have the person, change units in the tenant's document, or the enrolment in the register.",
	},
	LinkInPreview: {
		"Länken är i förhandsvisning: den skriver inget.", "The link is in preview: it writes nothing.",
		"Se vad den skulle göra med essctl preview, och sätt mode: active i kundens dokument.", "Look what it would do with essctl preview, and set mode: active in the tenant's document.",
	},
	LinkPaused: {
		"Länken är pausad.", "The link is paused.",
		"Låt den fortsätta med essctl links resume, eller sätt mode: active i kundens dokument.", "Let it go on with essctl links resume, or set mode: active in the tenant's document.",
	},
	LinkBehind: {
		"Länken har inte kommit till personens senaste ändring: den är vid {cursor} och ändringen är {seq}.", "The link has not come to the person's last change: it is at {cursor}, and the change is {seq}.",
		"Vänta en stund. Kommer den inte vidare: se essctl links show.", "Wait a little. If it does not get on, see essctl links show.",
	},
	NotSentYet: {
		"Ska finnas i målsystemet, men är inte skickad än.", "Is to be in the target, and has not been sent yet.",
		"Vänta på nästa omgång, eller skicka nu med essctl links sync person.", "Wait for the next round, or send it now with essctl links sync person.",
	},
	OlderState: {
		"Målsystemet har äldre uppgifter: {fields}.", "The target has older data: {fields}.",
		"Vänta på nästa omgång, eller skicka nu med essctl links sync person.", "Wait for the next round, or send it now with essctl links sync person.",
	},
	NothingWished: {
		"Länken gör inget av personen för det här målsystemet.", "The link makes nothing of the person for this target.",
		"Se länkens inställningar i kundens dokument.", "Look at the settings of the link in the tenant's document.",
	},
	NoLongerWished: {
		"Finns kvar i målsystemet, fast inget längre ber om det.", "The target still has it, though nothing asks for it any more.",
		"Vänta på nästa omgång. Är det kvar: se essctl links show.", "Wait for the next round. If it stays, see essctl links show.",
	},
	LogRegressed: {
		"Loggen, som slutar vid {end}, är inte den som länken läste till {seen}: den har återställts eller bytts ut.", "The log, which ends at {end}, is not the one that the link read up to {seen}: it was restored or replaced.",
		"Låt varje källa läsa allt på nytt. Länken fortsätter när en fullständig läsning är klar.", "Let every source read everything again. The link goes on when a complete run has ended.",
	},
	NeedsMissing: {
		"Väntar på {resource}.", "Waits for {resource}.",
		"Inget: den skickas när det den väntar på finns i målsystemet.", "Nothing: it is sent once the target holds what it waits for.",
	},
	ListShort: {
		"Målsystemets lista saknar {missing} av de {held} som länken har där. Listan är inte trodd, och inget är ändrat.", "The target's list misses {missing} of the {held} that the link has there. The list was not believed, and nothing was changed.",
		"Kontrollera kontots rättigheter och OU:erna, eller vad som motsvarar dem. Är de verkligen borta: essctl links resync --verify söker var och en och gör om den, med --force där målsystemet inte kan tillfrågas om en enda.", "Check the rights of the account, and the OUs or what is in their place. If they are gone indeed, essctl links resync --verify looks for each and makes it again, with --force where the target cannot be asked for one.",
	},
	CannotVerify: {
		"Målsystemet kan inte tillfrågas om vad det har.", "The target cannot be asked what it holds.",
		"essctl links resync --force skriver allt på nytt.", "essctl links resync --force writes everything anew.",
	},
	PlaceTaken: {
		"Väntar på platsen som {resource} har: målsystemet kan bara ha den ena.", "Waits for the place that {resource} has: the target can hold only one of the two.",
		"Se vad som väntar på beslut för länken. När det gamla får tas bort skickas det nya.", "See what the link holds for a decision. When the old one may go, the new one is sent.",
	},
	StillNeeded: {
		"Ska bort, men målsystemet har annat som hör dit.", "Is to go, but the target holds others that belong to it.",
		"Inget: det tas bort när de är borta.", "Nothing: it goes when they are gone.",
	},
	MembersRefused: {
		"Målsystemet tog inte emot {count} medlemmar.", "The target did not take {count} members.",
		"Se skälet vid varje medlem.", "See the reason at each member.",
	},
	Unmatched: {
		"Målsystemet har inget eget som är just den här, och länken skapar inget sådant. Närmast: {candidates}.", "The target has nothing of its own that is this one, and the link makes none. Closest: {candidates}.",
		"Rätta nyckeln i registret eller i målsystemet, eller skapa kontot där. Länken letar igen när något ändras, och en gång om dagen.", "Correct the key in the register or in the target, or make the account there. The link looks again when something changes, and once a day.",
	},
	Ambiguous: {
		"Målsystemet har flera som kan vara den här: {candidates}.", "The target has several that may be this one: {candidates}.",
		"Bestäm vilken det är, och ta bort nyckeln från de andra i målsystemet. Länken letar igen när något ändras, och en gång om dagen.", "Decide which it is, and take the key from the others in the target. The link looks again when something changes, and once a day.",
	},
	AdoptionRefused: {
		"Målsystemet har {candidate}, som inte får tas över: {what}.", "The target has {candidate}, which cannot be taken over: {what}.",
		"Ta bort nyckeln från den i målsystemet, eller undanta personen. Länken letar igen när något ändras, och en gång om dagen.", "Take the key from it in the target, or exclude the person. The link looks again when something changes, and once a day.",
	},
	RoleLeftOut: {
		"Länken har inget med konton för {role} att göra.", "The link has nothing to do with the accounts of {role}.",
		"Inget. Ska de med: ändra roles för länken i kundens dokument.", "Nothing. To have them, change roles of the link in the tenant's document.",
	},
	PreflightFailed: {
		"Förhandskontrollen fann {count} fel; inget levererades. Det första: {first}", "The pre-flight found {count} problems; nothing was delivered. The first: {first}",
		"Rätta dem i registret eller i länkens inställningar.", "Mend them in the register or in the settings of the link.",
	},
	LogMissing: {
		"Strömmen {stream} finns inte.", "The stream {stream} does not exist.",
		"Återställ den från säkerhetskopia, eller applicera kunden på nytt om den är ny. Inget skapas om av sig självt.", "Restore it from backup, or apply the tenant if it is new. Nothing is made again by itself.",
	},
	MembersMissing: {
		"Strömmen {stream} finns inte, så processer kan inte dela arbetet.", "The stream {stream} does not exist, so that processes cannot share the work.",
		"Kör ess init, eller essctl tenants apply. Den håller bara reda på vilka processer som kör.", "Run ess init, or essctl tenants apply. It holds no more than which processes run.",
	},
	DeskIncomplete: {
		"Av det som är beslutat med kommando gick bara {found} beslut att läsa; inget tas tillbaka.", "Of what was decided by command only {found} decisions could be read; nothing is taken back.",
		"Blir det kvar: återställ kundens ström ESS-LEDGER från säkerhetskopia.", "If it stays: restore the tenant's stream ESS-LEDGER from backup.",
	},
	NamesUnsettled: {
		"Användarnamnen ändrades {times} gånger medan länken planerade.", "The user names changed {times} times while the link planned.",
		"Inget: länken planerar om. Blir det kvar, se vad som har namnen i målsystemet.", "Nothing: the link plans again. If it stays, see what has the names in the target.",
	},
	NamesIncomplete: {
		"Av kundens användarnamn gick bara {found} att läsa; inget nytt namn ges.", "Of the tenant's user names only {found} could be read; no new name is given.",
		"Blir det kvar: återställ kundens ström ESS-LEDGER från säkerhetskopia.", "If it stays: restore the tenant's stream ESS-LEDGER from backup.",
	},
	NATSUnreachable: {
		"NATS på {address} kunde inte nås.", "NATS at {address} could not be reached.",
		"Kontrollera adressen, nätet dit och att NATS är igång. Ett program som är igång försöker tills det går; essctl ber du en gång till.", "Check the address, the network to it and that NATS runs. A program that runs tries until it can; essctl you call again.",
	},
	NATSCredentials: {
		"NATS på {address} godkände inte inloggningen för {user}.", "NATS at {address} did not accept the credentials of {user}.",
		"Kontrollera ESS_NATS_CREDS (eller --credentials) och användaren i NATS inställningar. Ett program som är igång försöker tills det går; essctl ber du en gång till.", "Check ESS_NATS_CREDS (or --credentials) and the user in the settings of NATS. A program that runs tries until it can; essctl you call again.",
	},
	LogRefused: {
		"NATS nekar {operation} på {subject}.", "NATS refuses {operation} on {subject}.",
		"Ge tjänstens NATS-användare rättigheten.", "Give the service's NATS user the permission.",
	},
	LineCut: {
		"Linjen till {address} är bruten sedan {since}: {why}.", "The line to {address} is cut since {since}: {why}.",
		"Kontrollera nätet hos kunden och att brandväggen släpper ut till adressen. Programmet gör om det själv, och läser när linjen är tillbaka.", "Check the network at the customer's and that the firewall lets out to the address. The program tries by itself, and reads when the line is back.",
	},
	LineRefused: {
		"Linjen till {address} nekas sedan {since}: {why}.", "The line to {address} is refused since {since}: {why}.",
		"Kontrollera användaren i ESS_LINE_URL, eller ESS_NATS_CREDS, och användaren i den centrala NATS inställningar. Programmet gör om det själv.", "Check the user in ESS_LINE_URL, or ESS_NATS_CREDS, and the user in the settings of the central NATS. The program tries by itself.",
	},
	LineUntrusted: {
		"Linjen till {address} går inte att kryptera sedan {since}: {why}.", "The line to {address} cannot be encrypted since {since}: {why}.",
		"Kontrollera ESS_LINE_CA och certifikatet för adressen. Om något på vägen byter certifikat: låt adressen gå förbi det.", "Check ESS_LINE_CA and the certificate of the address. Where something on the way puts in a certificate of its own, have the address pass by it.",
	},
	LineWithoutJetStream: {
		"Linjen till {address} finns men når inget JetStream i domänen {domain} sedan {since}.", "The line to {address} is there, but reaches no JetStream of the domain {domain} since {since}.",
		"Skriv domain: {domain} under jetstream i de centrala servrarnas inställningar, och ge användarens konto JetStream.", "Write domain: {domain} under jetstream in the settings of the central servers, and have the account of the user use JetStream.",
	},
	LineSilent: {
		"Ingen vid {address} tar emot {what}.", "Nobody at {address} takes {what}.",
		"Jämför rättigheterna för linjens användare med docs/on-site.md: det som inte är tillåtet får inget svar. En dataström utan ledare svarar inte heller; den är tillbaka inom kort.", "Compare the permissions of the user of the line with docs/on-site.md: what is not allowed gets no answer. Neither does a stream without a leader, which is back soon.",
	},
	OutcomeUnknown: {
		"NATS svarade inte på {what}; det kan vara sparat eller inte.", "NATS did not answer {what}; it may be stored or not.",
		"Inget: loggen läses om och det som saknas skickas igen.", "Nothing: the log is read again, and what is missing is sent again.",
	},
	SchemaNewer: {
		"{subject} är skrivet med schema {schema}, men detta program förstår {known}.", "{subject} is written with schema {schema}, but this program understands {known}.",
		"Uppgradera programmet.", "Upgrade the program.",
	},
	MessageUnreadable: {
		"Meddelande {seq} på {subject} kan inte läsas: {what}.", "Message {seq} on {subject} cannot be read: {what}.",
		"Ta reda på vem som skrev det; läs sedan källan fullständigt.", "Find out who wrote it; then read the source in full.",
	},
	RecordTooLarge: {
		"{ref} är {bytes} byte, mer än de {limit} som NATS tar.", "{ref} is {bytes} bytes, more than the {limit} that NATS takes.",
		"Höj max_payload, eller dela gruppen i registret.", "Raise max_payload, or split the group in the register.",
	},
	PurgeTooEarly: {
		"{ref} kan inte rensas än: {what}.", "{ref} cannot be purged yet: {what}.",
		"Vänta tills källan har tagit bort posten och alla länkar har kommit förbi.", "Wait until the source has removed the record and every link has passed it.",
	},
	PurgeStillNamed: {
		"{ref} är rensad, men {groups} grupper nämner den fortfarande.", "{ref} is purged, but {groups} groups still name it.",
		"Läs källan igen, rensa sedan en gång till.", "Read the source again, then purge once more.",
	},
	MissingID: {
		"Ett element av slaget {kind} saknar id.", "An element of the kind {kind} has no id.",
		"Be leverantören om ett id i exporten.", "Ask the vendor for an id in the export.",
	},
	DuplicateDoc: {
		"Samma element står två gånger; det senare gäller.", "The same element stands twice; the later one counts.",
		"Ta bort dubbletten i registret.", "Remove the duplicate in the register.",
	},
	ControlCharacters: {
		"Fältet {field} innehåller tecken som inte går att skriva; de togs bort.", "The field {field} holds characters that cannot be written; they were taken out.",
		"Skriv om fältet i registret.", "Write the field anew in the register.",
	},
	InvalidDate: {
		"Fältet {field} är inte ett datum och lästes inte.", "The field {field} is not a date and was not read.",
		"Skriv datumet som ÅÅÅÅ-MM-DD i registret.", "Write the date as YYYY-MM-DD in the register.",
	},
	EndBeforeStart: {
		"Slutdatum ligger före startdatum.", "The end date lies before the start date.",
		"Rätta datumen i registret; tills dess gäller perioden ingen dag.", "Correct the dates in the register; until then the period holds on no day.",
	},
	InvalidNumber: {
		"Identitetsnumret är inte giltigt.", "The identity number is not valid.",
		"Rätta numret i registret; tills dess är det bara en beteckning.", "Correct the number in the register; until then it is only a label.",
	},
	InvalidUnitCode: {
		"Skolenhetskoden har inte åtta siffror.", "The school unit code does not have eight digits.",
		"Rätta koden i registret; inledande nollor hör till.", "Correct the code in the register; leading zeros belong to it.",
	},
	InvalidEmail: {
		"E-postadressen är inte en adress.", "The e-mail address is not an address.",
		"Rätta adressen i registret.", "Correct the address in the register.",
	},
	UnknownCode: {
		"Fältet {field} har ett värde som ingen tabell känner; det behålls som det är.", "The field {field} has a value that no table knows; it is kept as it is.",
		"Lägg värdet i källans tabell eller rätta det i registret.", "Add the value to the source's table, or correct it in the register.",
	},
	ConflictingAttribute: {
		"Fältet {field} har olika värden på olika ställen; ett av dem gäller.", "The field {field} has different values in different places; one of them counts.",
		"Gör värdena lika i registret.", "Make the values equal in the register.",
	},
	IdentityConflict: {
		"Två olika personer har samma identitet; båda lämnas som de är.", "Two different persons have one identity; both are left as they are.",
		"Rätta identitetsnumret eller id:t i registret.", "Correct the identity number or the id in the register.",
	},
	RegistersDisagree: {
		"Ett annat register har en annan person på samma identitet; de blandas inte ihop.", "Another register has another person under the same identity; the two are not mixed.",
		"Se skolor och klasser med essctl person suggestions, och rätta identitetsnumret i det register som har fel.", "See the schools and classes with essctl person suggestions, and correct the identity number in the register that is wrong.",
	},
	UnknownReference: {
		"Fältet {field} pekar på något som källan inte har; det utelämnades.", "The field {field} refers to something that the source does not have; it was left out.",
		"Kontrollera att det den pekar på ingår i exporten.", "Check that what it refers to is part of the export.",
	},
	UnitCycle: {
		"Enheter ligger över varandra i en cirkel; den bröts.", "Units lie above each other in a circle; it was cut.",
		"Rätta överordnad enhet i registret.", "Correct the unit above in the register.",
	},
	StillStated: {
		"Ett tidigare id hör till en person som fortfarande finns.", "A former id belongs to a person who still exists.",
		"Kontrollera i registret om det är en eller två personer.", "Check in the register whether they are one person or two.",
	},
	InvalidRecord: {
		"Uppgifterna går inte att använda: {what}.", "The data cannot be used: {what}.",
		"Rätta uppgifterna i registret; tills dess ligger det gamla kvar.", "Correct the data in the register; until then the old data stays.",
	},
	CanaryMissing: {
		"Läsningen saknar {count} av det som alltid ska finnas: {kinds}. Inget har ändrats.", "The read lacks {count} of what must always be there: {kinds}. Nothing was changed.",
		"Fråga leverantören om exporten är hel. Är den det, rätta canaries i källans inställningar.", "Ask the vendor whether the export is whole. If it is, mend canaries in the settings of the source.",
	},
	MarkUnreadable: {
		"Uppgiften om skydd saknas eller går inte att läsa.", "The mark of protection is missing, or cannot be read.",
		"Fyll i uppgiften i registret. En ny person väntar; en befintlig ligger kvar som den är.", "Fill it in, in the register. A new person waits; an existing one stays as it is.",
	},
	MarksUnreadable: {
		"Uppgiften om skydd saknas eller går inte att läsa för {count} av {persons} personer. Inget har ändrats.", "The mark of protection is missing or cannot be read for {count} of {persons} persons. Nothing was changed.",
		"Kontrollera att exporten har kolumnen och att dess värden är översatta i källans profil.", "Check that the export has the column, and that its values are translated in the source's profile.",
	},
	TooManyProtected: {
		"Läsningen markerar fler som skyddade på en gång än vad som kan stämma (gränsen är {limit}). Inget har ändrats.", "The read marks more as protected at once than can be true (the limit is {limit}). Nothing was changed.",
		"Fråga skolan genast. Stämmer det, höj gränsen protect under guard i källans inställningar och läs igen.", "Ask the school at once. If it is true, raise the limit protect under guard in the settings of the source, and read again.",
	},
	TooManyUnprotected: {
		"Läsningen tar bort skyddet för fler på en gång än vad som kan stämma (gränsen är {limit}). Inget har ändrats.", "The read takes more marks of protection away at once than can be true (the limit is {limit}). Nothing was changed.",
		"Fråga skolan genast. Stämmer det, höj gränsen unprotect under guard i källans inställningar och läs igen.", "Ask the school at once. If it is true, raise the limit unprotect under guard in the settings of the source, and read again.",
	},
	NoProtectedRoutine: {
		"Länken stannar i förhandsvisning: {source} säger inget om skyddade personer, och ingen rutin är angiven.", "The link stays in preview: {source} says nothing of protected persons, and no routine is named.",
		"Kom överens med kunden om hur skyddade personer anmäls och skriv det i protectedRoutine, eller skriv källans protected.", "Agree with the customer on how protected persons are reported, and write it as protectedRoutine; or write protected of the source.",
	},
	DocumentUnusable: {
		"Kundens senaste dokument kan inte användas; det förra gäller.", "The newest document of the tenant cannot be used; the one before holds.",
		"Programmets logg säger vad som är fel. Rätta dokumentet: det gäller så snart det går att använda.", "The log of the program says what is wrong. Mend the document: it acts as soon as it can be used.",
	},
	NoHandoutKey: {
		"Skolan har ingen registrerad nyckel, så nya lösenord skulle ingen kunna läsa.", "The school has registered no key, so that nobody could read new passwords.",
		"Gör en nyckel med essctl passwords keys new, skriv dess publika del under handout i dokumentet och tillämpa det. Inget lösenord har ändrats.",
		"Make a key with essctl passwords keys new, write its public half under handout in the document, and apply that. No password was changed.",
	},
	ExceptionEnds: {
		"Undantaget {what} ({where}) gäller till och med {day}.", "The exception {what} ({where}) holds until {day}.",
		"Förnya det, höj servicenivån, eller ta bort det som undantaget är till för.", "Have it granted anew, raise the service level, or take out what it is for.",
	},
	ExceptionEnded: {
		"Undantaget {what} ({where}) gick ut {day}. Dokumentet gäller fortfarande, men kan inte tillämpas igen.", "The exception {what} ({where}) ended on {day}. The document still holds, but cannot be applied again.",
		"Förnya det, höj servicenivån, eller ta bort det som undantaget är till för.", "Have it granted anew, raise the service level, or take out what it is for.",
	},
	SecretExpires: {
		"Hemligheten {what} ({where}) går ut {day}.", "The secret {what} ({where}) expires on {day}.",
		"Skaffa en ny i tid, lägg den på samma plats och skriv den nya dagen i dokumentet.", "Get a new one in time, put it into the same place, and write its day into the document.",
	},
	SecretExpired: {
		"Hemligheten {what} ({where}) gick ut {day}.", "The secret {what} ({where}) expired on {day}.",
		"Lägg en ny på samma plats och skriv den nya dagen i dokumentet. Är den redan utbytt: skriv bara dagen.", "Put a new one into the same place and write its day into the document. If it was exchanged already, write the day only.",
	},
	MissingRequired: {
		"Fältet {field} krävs och saknas.", "The field {field} is required and missing.",
		"Fyll i fältet i registret. En ny person väntar; en befintlig ligger kvar som den är.", "Fill in the field in the register. A new person waits; an existing one stays as it is.",
	},
	MissingRecommended: {
		"En person saknar {field}; de mål som behöver det får inte personen.", "A person has no {field}; targets that need it do not get the person.",
		"Fyll i uppgiften i registret.", "Enter it in the register.",
	},
	NumberChanged: {
		"Personen har fått ett nytt identitetsnummer.", "The person has got a new identity number.",
		"Inget: kontot följer med.", "Nothing: the account follows.",
	},
	IDReused: {
		"Registret har gett ett id till en annan person.", "The register has given an id to another person.",
		"Kontrollera i registret att det verkligen är två personer.", "Check in the register that they really are two persons.",
	},
	PublishRefused: {
		"Loggen tog inte emot ändringarna på {attempts} försök.", "The log did not take the changes in {attempts} attempts.",
		"Se om en annan läsare av samma källa kör, och om loggen svarar.", "See whether another reader of the same source runs, and whether the log answers.",
	},
	ChangesHeld: {
		"{count} ändringar är fler än vad som får ske utan att någon ser dem; de väntar ({digest}).", "{count} changes are more than may happen without anybody looking at them; they wait ({digest}).",
		"Visa dem med essctl held show, kontrollera dem mot registret, och godkänn eller avslå dem.", "Show them with essctl held show, compare them with the register, then approve or reject them.",
	},
	ChangesRejected: {
		"{count} ändringar är avslagna och inte gjorda ({digest}).", "{count} changes were rejected and are not made ({digest}).",
		"Rätta registret. Sju dagar efter beslutet frågas det på nytt om dem som är kvar.", "Mend the register. Seven days after the decision those that are left are asked about again.",
	},
	TooManyNew: {
		"Läsningen har {count} nya personer, fler än gränsen; hela läsningen väntar.", "The read has {count} new persons, more than the limit; all of it waits.",
		"Kontrollera med skolan att det stämmer. Visa med essctl held show, och godkänn, eller rätta registret.", "Ask the school whether that is right. Show it with essctl held show, then approve it, or mend the register.",
	},
	TooManyIdentities: {
		"{count} personer har fått en annan identitet, fler än gränsen; hela läsningen väntar.", "{count} persons have another identity, more than the limit; all of it waits.",
		"Fråga leverantören om id eller nummer har bytts. Visa med essctl held show, och godkänn, eller rätta registret.", "Ask the vendor whether ids or numbers were replaced. Show it with essctl held show, then approve it, or mend the register.",
	},
	TooManyKeptBack: {
		"{count} personer som redan finns har uppgifter som inte går att använda, fler än gränsen; hela läsningen väntar.", "{count} persons who are known already have data that cannot be used, more than the limit; all of it waits.",
		"Se läsningens anmärkningar med essctl findings, och rätta registret.", "See what the read found with essctl findings, and mend the register.",
	},
	GroupsExchanged: {
		"{count} grupper har nästan bara andra elever än förut; hela läsningen väntar.", "{count} groups have almost only other pupils than before; all of it waits.",
		"Kontrollera om registret har återanvänt gruppernas id. Visa med essctl held show, och godkänn, eller rätta registret.", "Check whether the register has given the groups' ids to others. Show it with essctl held show, then approve it, or mend the register.",
	},
	GroupsRekeyed: {
		"{count} grupper har samma id som förut men skulle bli andra grupper; hela läsningen väntar.", "{count} groups have the ids that they had, and would be other groups; all of it waits.",
		"Kontrollera groupIds och schoolYear i dokumentet. Är ändringen menad, godkänn: grupperna blir nya i målsystemen.", "Check groupIds and schoolYear in the document. When the change is meant, approve it: the groups will be new ones in the targets.",
	},
	PepperChanged: {
		"Hemligheten pepper är en annan än den som loggen skrevs med; ingenting har ändrats.", "The pepper is another one than the log was written with; nothing was changed.",
		"Lägg tillbaka den rätta (den deponerade kopian). Den får aldrig bytas: alla personer och grupper skulle bli andra.", "Put the right one back (the copy in escrow). It never rotates: every person and group would be another one.",
	},
	ResourceHeld: {
		"Fler ändringar av samma slag ({operation}) än vad som får ske utan att någon ser dem; det som finns i målsystemet ligger kvar.", "More changes of this kind ({operation}) than may happen without anybody looking at them; what the target holds stays as it is.",
		"Visa dem med essctl held show --link, kontrollera dem mot registret, och godkänn eller avslå dem.", "Show them with essctl held show --link, compare them with the register, then approve or reject them.",
	},
	LinkHolds: {
		"{count} ändringar i målsystemet väntar på ett beslut ({digest}).", "{count} changes of the target wait for a decision ({digest}).",
		"Visa dem med essctl held show --link, kontrollera dem mot registret, och godkänn eller avslå dem.", "Show them with essctl held show --link, compare them with the register, then approve or reject them.",
	},
	HoldGone: {
		"Inget väntar: {digest} är redan godkänt eller återtaget.", "Nothing waits: {digest} was approved already, or the register took it back.",
		"Visa vad som väntar nu med essctl held show.", "Show what waits now with essctl held show.",
	},
	HoldChanged: {
		"Det som väntar är inte längre {digest} utan {now}: en läsning har kommit emellan.", "What waits is no longer {digest} but {now}: a read came between.",
		"Visa det med essctl held show och ta ställning på nytt.", "Show it with essctl held show and decide again.",
	},
	HoldExpired: {
		"{digest} sågs senast {seen} och är för gammalt att ta ställning till.", "{digest} was last seen at {seen} and is too old to be decided about.",
		"Läs källan igen.", "Read the source again.",
	},
	HoldGroupUnknown: {
		"{digest} har ingen grupp {group}.", "{digest} has no group {group}.",
		"Visa grupperna med essctl held show.", "Show the groups with essctl held show.",
	},
	TruncatedFile: {
		"{file} slutar för tidigt, på rad {line}: {what}.", "{file} ends too early, at line {line}: {what}.",
		"Be leverantören om en hel fil, eller vänta på nästa. Inget har ändrats.", "Ask the vendor for a whole file, or wait for the next one. Nothing was changed.",
	},
	EncodingSuspect: {
		"Filen säger sig vara i {what} men läses bättre som UTF-8; å, ä och ö kan ha blivit fel.", "The file says that it is in {what} but reads better as UTF-8; letters such as å, ä and ö may have come out wrong.",
		"Be leverantören rätta filens deklaration, eller sätt encodingOverride i profilen.", "Ask the vendor to correct the file's declaration, or set encodingOverride in the profile.",
	},
	ElementWithoutID: {
		"Ett element av slaget {what} saknar id och lästes inte.", "An element of the kind {what} has no id and was not read.",
		"Be leverantören om ett id i exporten.", "Ask the vendor for an id in the export.",
	},
	ElementTwice: {
		"Ett element av slaget {what} har ett id som redan fanns i filen; uppgifterna fördes samman.", "An element of the kind {what} has an id that the file had already; what the two say was united.",
		"Inget, om registret skriver en gång per skola. Annars: ta bort dubbletten.", "Nothing, if the register writes once per school. Otherwise remove the duplicate.",
	},
	GroupTypeUnknown: {
		"En grupp har en typ som profilen inte känner: {what}. Den lästes som Övrigt.", "A group has a type that the profile does not know: {what}. It was read as Övrigt.",
		"Lägg typen i profilens groupTypes.", "Add the type to the profile's groupTypes.",
	},
	RoleUnknown: {
		"Ett element har en roll som profilen inte känner: {what}.", "An element has a role that the profile does not know: {what}.",
		"Lägg rollen i profilens roles eller institutionRoles.", "Add the role to the profile's roles or institutionRoles.",
	},
	DateUnreadable: {
		"Tiden i {what} kunde inte läsas.", "The time in {what} could not be read.",
		"Be leverantören skriva den enligt ISO 8601.", "Ask the vendor to write it as ISO 8601.",
	},
	ReferenceDangling: {
		"Ett element ({what}) hänvisar till något som filen inte har; hänvisningen utelämnades.", "An element ({what}) refers to something that the file does not have; the reference was left out.",
		"Kontrollera att det den hänvisar till är märkt för export.", "Check that what it refers to is marked for export.",
	},
	GroupCycle: {"En grupp ligger över sig själv; kedjan bröts.", "A group lies above itself; the chain was cut.", "Rätta överordnad grupp i registret.", "Correct the group above in the register."},
	GroupInTwoUnits: {
		"En grupp hör till två skolor; den först nämnda gäller.", "A group belongs to two schools; the one named first counts.",
		"Låt gruppen höra till en skola i registret.", "Let the group belong to one school in the register.",
	},
	InactiveUndated: {
		"En avslutad roll saknar slutdatum och utelämnades.", "A role that is over tells no end date and was left out.",
		"Inget: den som saknas i filen räknas som avslutad.", "Nothing: who is not in the file counts as ended.",
	},
	YearWithoutUnit: {
		"En årskurs står för en elev utan inskrivning på skolan.", "A school year stands for a pupil without an enrolment at the school.",
		"Kontrollera elevens skola i registret.", "Check the pupil's school in the register.",
	},
	RowUnreadable: {
		"En rad i {what} har inte samma kolumner som rubriken, eller saknar vad den gäller, och lästes inte. Den kan gälla vem som helst, så ingen räknas som borta.", "A row of {what} does not have the columns of the header, or not what it is about, and was not read. It may be about anybody, so nobody counts as gone.",
		"Be leverantören rätta exporten; raden står i fyndet.", "Ask the vendor to correct the export; the finding has the line.",
	},
	FileWithoutRows: {
		"Filen {what} har en rubrik och inga rader, fast exporten har personer. Så länge räknas ingen som borta.", "The file {what} has a header and no rows, though the export has people. As long as that is so nobody counts as gone.",
		"Be leverantören rätta exporten, eller skriv i profilens mayBeEmpty att filen får vara tom.", "Ask the vendor to correct the export, or write in the profile's mayBeEmpty that the file may be empty.",
	},
	NumberMangled: {
		"En rad i {what} har ett nummer i {column} som ett kalkylprogram har skrivit om till ett annat, som 2,00701E+11, och lästes inte. Den kan gälla vem som helst, så ingen räknas som borta.", "A row of {what} has a number in {column} that a spreadsheet made another, as 2,00701E+11, and was not read. It may be about anybody, so nobody counts as gone.",
		"Be den som lämnar filen skriva kolumnen som text, och inte spara filen ur ett kalkylprogram.", "Ask whoever hands the file over to write the column as text, and not to save the file out of a spreadsheet.",
	},
	UnlikeStandard: {
		"Registret svarar på ett sätt som SS 12000 inte har: {what}. Det lästes ändå.", "The register answers in a way that SS 12000 does not have: {what}. It was read all the same.",
		"Inget. Berätta gärna för leverantören.", "Nothing. Do tell the vendor.",
	},
	RegisterArchives: {
		"Registret arkiverar läsåret fram till {until}. Så länge räknas ingen som borta.", "The register archives the school year until {until}. As long as that is so nobody counts as gone.",
		"Inget. Stämmer dagarna inte, rätta archiving i inställningarna.", "Nothing. If the days are others, correct archiving in the settings.",
	},
}
