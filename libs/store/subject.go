package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"eventful.se/ess/libs/roster"
)

// The subjects; docs/storage.md has the table.
const (
	logSubjects      = "ess."
	ledgerSubjects   = "ess-ledger."
	blobSubjects     = "ess-blob."
	runSubjects      = "ess-run."
	holdSubjects     = "ess-hold."
	linkHoldSubjects = "ess-link-hold."
	auditSubjects    = "ess-audit."
	deskSubjects     = "ess-desk."
	letterSubjects   = "ess-letters."
	nameSubjects     = "ess-names."
	tenantSubjects   = "ess-tenants."
	controlSubjects  = "ess-control."
	memberSubjects   = "ess-member."

	markKind = "run" // stands where a change has its kind
)

// validToken tells whether s may stand in a subject, a stream's name or an inbox: the server takes * and > and blanks
// in names for something else.
func validToken(what, s string) error {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return fmt.Errorf("%s %q may hold only a-z, 0-9 and -", what, s)
		}
	}
	if s == "" || len(s) > 64 {
		return fmt.Errorf("%s must have 1 to 64 characters", what)
	}
	return nil
}

func validSource(s roster.Source) error {
	if err := validToken("system", s.System); err != nil {
		return err
	}
	return validToken("instance", s.Instance)
}

func logStream(tenant string) string    { return "ESS-" + tenant }
func ledgerStream(tenant string) string { return "ESS-LEDGER-" + tenant }
func auditStream(tenant string) string  { return "ESS-AUDIT-" + tenant }

// under returns the subject of a system's instance below a family, with a point at the end.
func under(family, tenant string, s roster.Source) string {
	return family + tenant + "." + s.System + "." + s.Instance + "."
}

func markSubject(tenant string, s roster.Source, m roster.Mark) string {
	token := map[roster.Mark]string{roster.RunOpened: "current", roster.RunBatch: "batch", roster.RunEnded: "ended"}[m]
	return under(logSubjects, tenant, s) + markKind + "." + token
}

// place is what the subject of a message on a roster log says.
type place struct {
	source roster.Source
	ref    roster.Ref
	mark   roster.Mark
}

func parseSubject(subject string) (p place, err error) {
	t := strings.Split(subject, ".")
	if len(t) != 6 {
		return p, fmt.Errorf("subject %q is not of the log", subject)
	}
	p.source = roster.Source{System: t[2], Instance: t[3]}
	if t[4] == markKind {
		switch t[5] {
		case "current":
			p.mark = roster.RunOpened
		case "batch":
			p.mark = roster.RunBatch
		case "ended":
			p.mark = roster.RunEnded
		default:
			return p, fmt.Errorf("subject %q is no mark of a run", subject)
		}
		return p, nil
	}
	p.ref.Kind = roster.Kind(t[4])
	if p.ref.Key, err = roster.ParseKey(t[5]); err != nil {
		return p, fmt.Errorf("subject %q: %w", subject, err)
	}
	return p, nil
}

// token makes a token of any text.
func token(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
