package app

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

// option is a flag, either of a setting or of a single command. It implements cli.Flag
// itself so that all mistakes in values can be collected and reported together, and so that
// two commands can share it.
type option struct {
	names    []string // the long one first
	usage    string   // including choices, default and environment variable
	isSwitch bool     // takes no values except true and false
	hidden   bool     // not in the help text
	valid    string   // valid values, as the end of a sentence; "" for any text
	choices  []string // all valid values; nil: they cannot be listed
	set      func(text string)
	isSet    bool
}

var (
	_ cli.Flag              = (*option)(nil)
	_ cli.LocalFlag         = (*option)(nil)
	_ cli.VisibleFlag       = (*option)(nil)
	_ cli.DocGenerationFlag = (*option)(nil)
)

// Set passes the value to set, which collects mistakes. It never fails.
func (o *option) Set(_, text string) error {
	o.isSet = true
	o.set(text)
	return nil
}

// String returns the option's line in the help text, in two columns.
func (o *option) String() string { return o.synopsis() + "\t" + o.usage }

// synopsis returns the option's names, each with a placeholder for the value.
func (o *option) synopsis() string {
	value := " value"
	if o.isSwitch {
		value = ""
	}
	var names []string
	for _, name := range o.names {
		names = append(names, dashed(name)+value)
	}
	return strings.Join(names, ", ")
}

// dashed returns a flag's name as it is usually typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// Methods required by package cli. IsLocal is true because each command lists its own
// options.

func (o *option) Names() []string { return slices.Clone(o.names) }
func (o *option) IsSet() bool     { return o.isSet }
func (o *option) Get() any        { return nil }
func (o *option) PreParse() error { return nil }

func (o *option) PostParse() error     { return nil }
func (o *option) IsLocal() bool        { return true }
func (o *option) IsBoolFlag() bool     { return o.isSwitch }
func (o *option) IsVisible() bool      { return !o.hidden }
func (o *option) TakesValue() bool     { return !o.isSwitch }
func (o *option) GetUsage() string     { return o.usage }
func (o *option) GetValue() string     { return "" }
func (o *option) TypeName() string     { return "" }
func (o *option) GetEnvVars() []string { return nil }

func (o *option) GetDefaultText() string { return "" }
func (o *option) IsDefaultVisible() bool { return false }
