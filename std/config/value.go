package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// value is a field of Config together with what is valid for it.
type value interface {
	current() any
	// set reads a value from a command line, and reports whether the text is one.
	set(text string) bool
	valid() string // "" for any text
	check() problem
}

// problem says what is wrong with a value; the zero value means nothing is.
type problem struct {
	what string // what is wrong
	more string // what is valid, or is used instead
	mend func() // sets the value that was clearly meant; nil: the problem is an error
}

type text struct{ to *string }

func (v text) current() any         { return *v.to }
func (v text) set(text string) bool { *v.to = text; return true }
func (v text) valid() string        { return "" }

func (v text) check() problem {
	if strings.ContainsFunc(*v.to, unicode.IsControl) {
		return problem{what: fmt.Sprintf("%q has a control character", *v.to), more: `, which no text may have; in JSON a \ is written \\`}
	}
	return problem{}
}

// secret is text that must not be shown. Any text is valid.
type secret struct{ text }

func (secret) check() problem { return problem{} }

// choice is one of several names, which may have aliases.
type choice struct {
	text
	names   []string
	aliases map[string]string
}

func (v choice) valid() string { return strings.Join(v.names, ", ") }

func (v choice) check() problem {
	given := *v.to
	if slices.Contains(v.names, given) {
		return problem{}
	}
	if name, is := v.aliases[given]; is {
		return problem{what: fmt.Sprintf("%q is another name of %s, which is in force", given, name), mend: func() { *v.to = name }}
	}
	return problem{what: fmt.Sprintf("%q is unknown", given), more: ", valid values are " + v.valid()}
}

// toggle is on or off.
type toggle struct{ to *bool }

func (v toggle) current() any   { return *v.to }
func (v toggle) valid() string  { return "true, false" }
func (v toggle) check() problem { return problem{} }

func (v toggle) set(text string) bool {
	on, err := strconv.ParseBool(text)
	if err == nil {
		*v.to = on
	}
	return err == nil
}

// number is an integer within a range.
type number struct {
	to       *int
	min, max int
	// below and above replace a number below min or above max if the original or kcp-go
	// accepts such a number; nil: it is an error.
	below, above *int
}

func (v number) current() any  { return *v.to }
func (v number) valid() string { return strconv.Itoa(v.min) + " to " + strconv.Itoa(v.max) }

func (v number) set(text string) bool {
	n, err := strconv.ParseInt(text, 0, strconv.IntSize)
	if err == nil {
		*v.to = int(n)
	}
	return err == nil
}

func (v number) check() problem {
	given := *v.to
	if given >= v.min && given <= v.max {
		return problem{}
	}
	instead := v.below
	if given > v.max {
		instead = v.above
	}
	p := problem{what: fmt.Sprintf("%d is out of range", given), more: ", valid values are " + v.valid()}
	if instead != nil {
		p.more += fmt.Sprintf("; %d is in force", *instead)
		p.mend = func() { *v.to = *instead }
	}
	return p
}
