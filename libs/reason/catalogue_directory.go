package reason

// ofDirectories are the codes of reaching a directory over LDAP, and writing to it.
var ofDirectories = map[Code]entry{
	CertificateUnknown: {
		"{address} visar ett certifikat från en utfärdare som vi inte känner.", "{address} shows a certificate of an issuer that we do not know.",
		"Lägg kundens rotcertifikat i inställningen caFile.", "Put the customer's root certificate into the setting caFile.",
	},
	CertificateName: {
		"Certifikatet som {address} visar gäller inte för namnet {name}.", "The certificate that {address} shows is not good for the name {name}.",
		"Skriv adressen med det namn som står i certifikatet (subjectAltName), eller sätt serverName där inställningarna har det. Saknar certifikatet sådana namn: be kunden byta det.", "Write the address with the name that the certificate has (subjectAltName), or set serverName where the settings have it. Where it has none, ask the customer to replace it.",
	},
	CertificateExpired: {
		"Certifikatet som {address} visar gäller inte i dag; det gick ut {day} eller har inte börjat gälla.", "The certificate that {address} shows is not valid today; it ended on {day}, or has not begun.",
		"Be kunden förnya det, och kontrollera klockorna.", "Ask the customer to renew it, and look at the clocks.",
	},
	EncryptionRequired: {
		"{address} kräver en annan inloggning eller kryptering än vår ({code}).", "{address} requires another way to sign in, or to encrypt, than ours ({code}).",
		"Använd ldaps:// eller startTLS, och kontrollera att enkel bindning är tillåten över krypterad förbindelse.", "Use ldaps:// or startTLS, and see that a simple bind is allowed on an encrypted connection.",
	},
	AccountLocked: {
		"Kontot {user} är låst i {address}.", "The account {user} is locked in {address}.",
		"Be kunden låsa upp det, och ta reda på vem som har försökt med fel lösenord.", "Ask the customer to unlock it, and find out who tried a wrong password.",
	},
	AccountDisabled: {
		"Kontot {user} är inaktiverat i {address}.", "The account {user} is disabled in {address}.",
		"Be kunden aktivera det.", "Ask the customer to enable it.",
	},
	AccountExpired: {
		"Kontot {user} har gått ut i {address}.", "The account {user} has expired in {address}.",
		"Be kunden förlänga det.", "Ask the customer to extend it.",
	},
	PasswordExpired: {
		"Lösenordet för {user} har gått ut, eller måste bytas, i {address}.", "The password of {user} has expired, or must be changed, in {address}.",
		"Be kunden sätta ett nytt och låta tjänstekontots lösenord inte gå ut; lägg det där hemligheten finns.", "Ask the customer to set a new one that does not expire for a service account, and put it where the secret lies.",
	},
	SignInRestricted: {
		"Kontot {user} får inte logga in i {address} nu eller härifrån.", "The account {user} may not sign in to {address} at this hour, or from here.",
		"Be kunden ta bort tjänstekontots begränsning av tider och datorer.", "Ask the customer to lift the limits on hours and machines of the service account.",
	},
	RightMissing: {
		"Kontot {user} saknar en rättighet i {address} ({operation}).", "The account {user} lacks a right in {address} ({operation}).",
		"Be kunden delegera rättigheten på de organisationsenheter som länken sköter.", "Ask the customer to delegate the right on the organisational units that the link manages.",
	},
	ObjectDenied: {
		"Kontot {user} får inte ändra just {object} i {address} ({operation}). Det får ändra annat.", "The account {user} may not change {object} of {address} ({operation}). Others it may change.",
		"Se efter i objektets säkerhetsinställningar: det ärver inte rättigheterna, eller är eller har varit administratör (adminCount). Rätta det, och försök igen.", "Look at the security settings of the object: it does not inherit the rights, or is or was an administrator (adminCount). Correct that, and try again.",
	},
	OtherDomain: {
		"{address} hänvisar till en annan domän eller server ({code}).", "{address} refers to another domain or server ({code}).",
		"Kontrollera att adressen och de inställda katalogobjekten hör till samma domän, och att servern går att skriva till.", "See that the address and the configured objects are of the same domain, and that the server takes writes.",
	},
	OtherController: {
		"På {address} svarar nu {now} i stället för {before}; det som nyss skrevs kan saknas där.", "At {address} {now} answers now instead of {before}; what was written a moment ago may be missing there.",
		"Inget: anslutningen görs om. Ange helst en domänkontrollants eget namn, inte domänens.", "Nothing: it connects anew. Better to give the name of one domain controller than that of the domain.",
	},
	DirectoryFailed: {
		"{address} svarade med ett fel ({code}).", "{address} answered with a failure ({code}).",
		"Försöket görs om. Be den som driver katalogen se efter om felet består.", "It is tried again. Ask whoever runs the directory if it persists.",
	},
	DirectoryLimit: {
		"{address} avbröt vid en av sina gränser ({code}); inget av svaret används.", "{address} stopped at one of its limits ({code}); nothing of the answer is used.",
		"Försöket görs om. Består felet: minska pageSize, eller be om indexerade attribut.", "It is tried again. If it persists, lower pageSize, or ask for the attributes to be indexed.",
	},
	DirectoryLacks: {
		"{address} saknar något som behövs: en funktion eller ett attribut i schemat ({code}).", "{address} lacks something that is needed: a function, or an attribute of the schema ({code}).",
		"Kontrollera att attributen i länkens inställningar finns i katalogens schema.", "See that the attributes in the settings of the link exist in the directory's schema.",
	},
	ObjectMissing: {
		"{object} finns inte i {address}, eller får inte läsas.", "{object} does not exist in {address}, or may not be read.",
		"Skapa det, rätta inställningen, eller ge kontot läsrätt.", "Make it, correct the setting, or let the account read it.",
	},
	PasswordRefused: {
		"{address} godtar inte lösenordet: domänens lösenordsregler kräver mer.", "{address} does not take the password: the domain's rules require more.",
		"Jämför lösenordsreglerna i länkens inställningar med domänens: längd, teckenslag, och om en finkornig policy gäller kontot.", "Compare the password rules in the settings of the link with those of the domain: length, kinds of character, and whether a fine-grained policy holds for the account.",
	},
	PasswordNeeded: {
		"{address} aktiverar inte ett konto utan lösenord.", "{address} does not enable an account that has no password.",
		"Sätt ett lösenord på kontot (essctl passwords reset), och försök igen.", "Give the account a password (essctl passwords reset), and try again.",
	},
	ObjectGuarded: {
		"{address} skyddar objektet och ändrar det inte ({what}): det hör till domänen, eller är dess sista administratör.", "{address} guards the object and does not change it ({what}): it belongs to the domain, or is its last administrator.",
		"Se efter vilket objekt det är. Ett inbyggt konto eller en inbyggd grupp ska inte skötas av länken: ta bort länkens id från det.", "See which object it is. A built-in account or group is not for the link to manage: take the link's id from it.",
	},
	AttributeGuarded: {
		"{address} låter ingen skriva ett av attributen ({what}): katalogen sköter det själv.", "{address} lets nobody write one of the attributes ({what}): the directory keeps it by itself.",
		"Ta bort attributet ur länkens inställningar (attributes, idAttribute).", "Take the attribute out of the settings of the link (attributes, idAttribute).",
	},
	GroupTypeRefused: {
		"{address} tillåter inte gruppens typ eller omfång med de medlemmar och grupper den har ({what}).", "{address} does not allow the type or scope of the group with the members and groups that it has ({what}).",
		"Skriv den typ och det omfång som gruppen har i länkens inställningar (groups), eller ta ut de medlemmar som hindrar: en global grupp blir domänlokal först efter att ha varit universell.", "Write the type and scope that the group has in the settings of the link (groups), or take out the members that are in the way: a global group becomes domain local only after it has been universal.",
	},
	PrimaryGroup: {
		"En medlem kan inte tas ur gruppen i {address}: den är medlemmens primära grupp.", "A member cannot be taken out of the group of {address}: it is the member's primary group.",
		"Ge kontot en annan primär grupp i katalogen (oftast Domain Users), och försök igen.", "Give the account another primary group in the directory (Domain Users, as a rule), and try again.",
	},
	DirectoryUnwilling: {
		"{address} vägrar, utan att säga mer än {what}.", "{address} will not, and says no more than {what}.",
		"Uppgifterna i registret är sällan orsaken. Be den som driver katalogen slå upp koden och se i domänkontrollantens händelselogg; försök sedan igen (essctl parked retry).", "The register's data is seldom the cause. Ask whoever runs the directory to look the code up, and to look at the event log of the domain controller; then try again (essctl parked retry).",
	},
	NotEmpty: {
		"Det som skulle tas bort i {address} innehåller något.", "What was to be removed from {address} holds something.",
		"Inget tas bort förrän det är tomt. Se efter vad som ligger där.", "Nothing is removed until it is empty. See what lies there.",
	},
	OutsideOUs: {
		"Objektet {object} ligger i {address} utanför de organisationsenheter som länken sköter, och ändras inte.", "The object {object} of {address} lies outside of the organisational units that the link manages, and is not changed.",
		"Flytta tillbaka det, eller ändra baseOU. Länken skapar inget nytt i dess ställe.", "Move it back, or change baseOU. The link makes no other one in its place.",
	},
	ProtectedObject: {
		"Objektet {object} i {address} administrerar domänen eller hör till den, och ändras aldrig.", "The object {object} of {address} administers the domain, or came with it, and is never changed.",
		"Ta kontot ur administratörsgrupperna och nollställ adminCount, om det ska skötas av länken.", "Take it out of the groups of administrators and clear adminCount, if the link is to manage it.",
	},
	NotOurs: {
		"Objektet {object} i {address} har inte länkens id, och ändras inte.", "The object {object} of {address} does not have the link's id, and is not changed.",
		"Någon har ändrat attributet som bär id:t. Återställ det, eller låt länken läsa katalogen igen (resync --verify).", "Somebody changed the attribute that holds the id. Put it back, or have the link read the directory again (resync --verify).",
	},
	IDTwice: {
		"Två objekt i {address} har samma id från länken: {object} och {other}.", "Two objects of {address} have one id of the link's: {object} and {other}.",
		"Bestäm vilket som gäller, och ta bort id:t från det andra.", "Decide which one counts, and take the id from the other one.",
	},
}
