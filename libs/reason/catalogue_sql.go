package reason

// ofDatabases are the codes of reading a database by queries. {query} is a name of ours, as "persons"; {code} is the number of
// the database's own error, which its manual explains.
var ofDatabases = map[Code]entry{
	DatabaseMissing: {
		"{address} har ingen databas {database}, eller {user} får inte öppna den ({code}).", "{address} has no database {database}, or {user} may not open it ({code}).",
		"Kontrollera database i inställningarna med den som driver databasen, och att kontot får ansluta till den.", "Check database in the settings with whoever runs the database, and that the account may connect to it.",
	},
	ViewMissing: {
		"Frågan {query} läser en vy som inte finns i {address}, eller som kontot inte ser ({code}).", "The query {query} reads a view that {address} does not have, or that the account does not see ({code}).",
		"Be den som driver databasen skapa vyn, eller återställa den om den har bytt namn, och ge kontot rätt att läsa den: {grant}", "Ask whoever runs the database to make the view, or to restore it where it was renamed, and to let the account read it: {grant}",
	},
	GrantMissing: {
		"{user} får inte läsa det som frågan {query} läser i {address} ({code}).", "{user} may not read what the query {query} reads in {address} ({code}).",
		"Be den som driver databasen om rättigheten: {grant}", "Ask whoever runs the database for the right: {grant}",
	},
	ColumnMissing: {
		"Frågan {query} har inte kolumnen {column}; inget lästes.", "The query {query} does not have the column {column}; nothing was read.",
		"Rätta vyn eller frågan så att kolumnen heter så. Alla kolumner står i källans README.", "Correct the view or the query so that the column has that name. All columns stand in the README of the source.",
	},
	ColumnUnlike: {
		"Kolumnen {column} i frågan {query} är av typen {type}, som inte kan vara {want}; inget lästes.", "The column {column} of the query {query} is of the type {type}, which cannot be {want}; nothing was read.",
		"Rätta vyn, eller omvandla kolumnen i frågan (CAST).", "Correct the view, or convert the column in the query (CAST).",
	},
	QueryRefused: {
		"{address} kunde inte svara på frågan {query} ({code}).", "{address} could not answer the query {query} ({code}).",
		"Slå upp felkoden i databasens dokumentation. Står frågan i en fil, kör den för hand med samma konto; annars be den som driver databasen köra vyn.", "Look the code up in the manual of the database. If the query stands in a file, run it by hand with the same account; else ask whoever runs the database to run the view.",
	},
	QueryWithoutRows: {
		"Frågan {query} gav inga rader; inget av läsningen gäller.", "The query {query} gave no rows; nothing of the read counts.",
		"Se efter i databasen varför vyn är tom. Ska den vara det, skriv frågan i mayBeEmpty.", "Look in the database why the view is empty. If it is meant to be, write the query in mayBeEmpty.",
	},
	RowWithoutKey: {
		"En rad i {query} saknar {column} och lästes inte. Den kan gälla vem som helst, så ingen räknas som borta.", "A row of {query} has no {column} and was not read. It may be about anybody, so nobody counts as gone.",
		"Be den som lämnar uppgifterna rätta raden, eller vyn eller filen; hur många de är står i fyndet.", "Ask whoever hands the data over to correct the row, or the view or the file; the finding says how many they are.",
	},
	RowsLocked: {
		"Frågan {query} väntade längre än {time} på någon annan som låser det den läser i {address}.", "The query {query} waited longer than {time} for somebody else who locks what it reads in {address}.",
		"Inget: läsningen görs om. Händer det ofta, läs vid en annan tid på dygnet.", "Nothing: the read is tried again. If it happens often, read at another hour.",
	},
	StatementTimeout: {
		"Frågan {query} tog längre tid än {time} i {address} och avbröts.", "The query {query} took longer than {time} in {address}, and was ended.",
		"Läsningen görs om. Händer det ofta: be den som driver databasen se över vyn, eller höj timeout.", "The read is tried again. If it happens often, ask whoever runs the database to look at the view, or raise timeout.",
	},
	SessionEnded: {
		"{address} avslutade sessionen mitt i frågan {query} ({code}); inget av läsningen gäller.", "{address} ended the session in the middle of the query {query} ({code}); nothing of the read counts.",
		"Inget: läsningen görs om. Händer det varje natt, fråga den som driver databasen vad som avslutar sessioner vid den tiden.", "Nothing: the read is tried again. If it happens every night, ask whoever runs the database what ends sessions at that hour.",
	},
	SnapshotRefused: {
		"{address} ger inte en samlad ögonblicksbild av databasen ({code}), och utan den läses inget.", "{address} does not give one snapshot of the database ({code}), and without it nothing is read.",
		"Be den som driver databasen slå på det: ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON.", "Ask whoever runs the database to switch it on: ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON.",
	},
	SnapshotLost: {
		"{address} kunde inte hålla ögonblicksbilden av databasen till slutet av frågan {query} ({code}); inget av läsningen gäller.", "{address} could not keep the snapshot of the database to the end of the query {query} ({code}); nothing of the read counts.",
		"Läsningen görs om. Händer det ofta, läs när färre skriver, eller be om mer utrymme för äldre rader (undo, tempdb).", "The read is tried again. If it happens often, read when fewer write, or ask for more room for older rows (undo, tempdb).",
	},
	FileUnusable: {
		"Filen {file}, som inställningarna nämner, kan inte användas: {what}.", "The file {file}, which the settings name, cannot be used: {what}.",
		"Rätta filen eller inställningen. Finns filen, se efter att programmets konto får läsa den.", "Mend the file or the setting. If the file is there, see that the program's account may read it.",
	},
}
