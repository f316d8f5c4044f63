package roster

// CivicNoKind says what sort of identity number a [CivicNo] is.
type CivicNoKind string

// The kinds of identity number.
const (
	Personnummer      CivicNoKind = "personnummer"
	Samordningsnummer CivicNoKind = "samordningsnummer"
	Temporary         CivicNoKind = "temporary" // a TF or T number, unique only where it was made
	UnknownNumber     CivicNoKind = "unknown"   // not a valid number; kept as an opaque id
)
