package ims

import (
	"eventful.se/ess/libs/fact"
	"eventful.se/ess/libs/reason"
)

// findings counts what is wrong with a document, one finding a code and detail, so that a million bad members cost no
// more than one.
type findings struct {
	order []*counted
	index map[findingKey]*counted
	codes map[reason.Code]int // details per code
}

type findingKey struct {
	code   reason.Code
	detail string
}

type counted struct {
	findingKey
	severity fact.Severity
	effect   fact.Effect
	count    int
	line     int
}

// Details are words of the exporter's vocabulary: a group type, a role. A document that fills them with something else
// is cut short, in number and in length, and one that holds a number is not quoted (rule R8).
const (
	maxDetails   = 30
	detailLength = 40
)

func (f *findings) add(code reason.Code, severity fact.Severity, effect fact.Effect, line int, detail string) {
	digits := 0
	for _, c := range detail {
		if '0' <= c && c <= '9' {
			digits++
		}
	}
	if r := []rune(detail); digits >= 6 {
		detail = "a word with a number"
	} else if len(r) > detailLength {
		detail = string(r[:detailLength]) + "…"
	}
	key := findingKey{code, detail}
	c := f.index[key]
	if c == nil && f.codes[code] >= maxDetails {
		key.detail = "…"
		c = f.index[key]
	}
	if c == nil {
		if f.index == nil {
			f.index, f.codes = map[findingKey]*counted{}, map[reason.Code]int{}
		}
		c = &counted{findingKey: key, severity: severity, effect: effect, line: line}
		f.index[key] = c
		f.codes[code]++
		f.order = append(f.order, c)
	}
	c.count++
	c.line = min(c.line, line)
}

func (f *findings) list(where func(line int) string) []fact.Finding {
	var out []fact.Finding
	for _, c := range f.order {
		r := reason.New(c.code)
		if c.detail != "" {
			r = reason.New(c.code, "what", c.detail)
		}
		out = append(out, fact.Finding{Reason: r, Severity: c.severity, Effect: c.effect, Where: where(c.line), Count: c.count})
	}
	return out
}
