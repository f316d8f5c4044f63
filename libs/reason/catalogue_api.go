package reason

import "maps"

// catalogue has the texts of every code.
var catalogue = func() map[Code]entry {
	all := maps.Clone(general)
	maps.Copy(all, ofAPIs)
	maps.Copy(all, ofDirectories)
	maps.Copy(all, ofDatabases)
	return all
}()

// ofAPIs are the codes of what is read, or written, by calls over HTTP.
var ofAPIs = map[Code]entry{
	AddressRefused: {
		"{address} leder till {ip}, en adress som inte får anropas.", "{address} leads to {ip}, an address that is not to be called.",
		"Fråga leverantören vart adressen leder. Ligger systemet i vårt eget nät, sätt privateAddresses.", "Ask the vendor where the address leads. If the system is in our own network, set privateAddresses.",
	},
	RedirectRefused: {
		"{address} hänvisar vidare till {other}; dit skickas ingenting.", "{address} redirects to {other}; nothing is sent there.",
		"Fråga leverantören om adressen är ny, och skriv i så fall den i inställningarna.", "Ask the vendor whether the address is a new one; if so, write it into the settings.",
	},
	EncryptionFailed: {
		"Ingen krypterad förbindelse med {address}: {what}.", "No encrypted connection with {address}: {what}.",
		"Be leverantören om TLS 1.2 eller senare, och kontrollera klientcertifikatet om det ska finnas ett.", "Ask the vendor for TLS 1.2 or later, and look at the client certificate if there is to be one.",
	},
	ScopeRefused: {
		"{address} ger inte {user} den behörighet (scope) som inställningarna ber om.", "{address} does not give {user} the scope that the settings ask for.",
		"Be leverantören om behörigheten, eller rätta scope i inställningarna.", "Ask the vendor for the scope, or correct scope in the settings.",
	},
	RequestRefused: {
		"{address} tar inte emot frågan {path} ({status}).", "{address} does not take the request {path} ({status}).",
		"Kontrollera adress och inställningar mot leverantörens beskrivning.", "Compare address and settings with the vendor's description.",
	},
	EndpointMissing: {
		"{address} har inte {path}.", "{address} does not have {path}.",
		"Kontrollera adressen, och fråga leverantören om den delen finns och ingår.", "Check the address, and ask the vendor whether that part exists and is included.",
	},
	AnswerGone: {
		"{address} har glömt hur långt {path} var läst.", "{address} has forgotten how far {path} was read.",
		"Inget: läsningen görs om från början. Händer det ofta: minska limit, eller läs en annan tid.", "Nothing: it is read again from the beginning. If it happens often, lower limit, or read at another hour.",
	},
	PageLoop: {
		"{address} lämnar samma sida av {list} om och om igen, eller sidor utan slut.", "{address} gives the same page of {list} again and again, or pages without end.",
		"Inget: läsningen görs om. Fråga leverantören om felet består; prova en annan limit. Inget har ändrats.", "Nothing: it is read again. Ask the vendor if it persists, and try another limit. Nothing was changed.",
	},
	ListMissing: {
		"{address} har inte listan {list}. Så länge den väntas räknas ingen som borta.", "{address} does not have the list {list}. As long as it is expected nobody counts as gone.",
		"Fråga leverantören om listan ingår. Gör den inte det, skriv den under without i källans inställningar.", "Ask the vendor whether the list is included. If it is not, write it under without in the settings of the source.",
	},
	ListEmpty: {
		"Listan {list} hos {address} är tom, fast andra listor hänvisar till det som ska stå i den. Så länge räknas ingen som borta.", "The list {list} of {address} is empty, though other lists refer to what should stand in it. As long as that is so nobody counts as gone.",
		"Fråga leverantören varför listan är tom; oftast saknar vår inloggning en behörighet (scope).", "Ask the vendor why the list is empty; most often our sign-in lacks a scope.",
	},
	ClockDiffers: {
		"Klockan hos {address} skiljer {minutes} minuter från vår. Så länge läses alltid allt.", "The clock of {address} is {minutes} minutes from ours. As long as that is so everything is read every time.",
		"Kontrollera vår klocka, och be annars leverantören rätta sin.", "Look at our clock, else ask the vendor to mend theirs.",
	},
	DeltaDoubtful: {
		"Allt lästes i stället för det som har ändrats: {what}.", "Everything was read in place of what changed: {what}.",
		"Inget, om det inte händer varje gång. Gör det det, slå av delta i källans inställningar.", "Nothing, unless it happens every time. If it does, switch delta off in the settings of the source.",
	},
	MovedWhileRead: {
		"I {address} togs något bort medan det lästes; den läsningen räknar ingen som borta.", "Something was deleted in {address} while it was read; that read counts nobody as gone.",
		"Inget: nästa läsning gör det.", "Nothing: the next read does.",
	},
}
