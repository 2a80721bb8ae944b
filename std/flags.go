package std

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"text/tabwriter"
)

// errVersion ends the reading of the command line at --version.
var errVersion = errors.New("version asked for")

// configure reads the command line, the environment and the JSON file into cfg
// and checks the outcome. It returns flag.ErrHelp and errVersion where those were
// asked for.
func (a App) configure(cfg *Config, args []string) error {
	file, version := "", false
	cfg.given = make(map[string]Source)
	set := flag.NewFlagSet("kcptun", flag.ContinueOnError)
	set.SetOutput(io.Discard) // its own messages do not say what is valid
	for _, s := range a.Role.known(cfg) {
		s.bind(cfg, set)
	}
	set.StringVar(&file, "c", "", "")
	set.BoolVar(&version, "version", false, "")
	set.BoolVar(&version, "v", false, "")
	if err := set.Parse(args); err != nil {
		return a.usageError(err)
	}
	if version {
		return errVersion
	}
	if set.NArg() > 0 {
		return a.strayWord(set.Arg(0))
	}
	fromFile := false
	set.Visit(func(f *flag.Flag) {
		fromFile = fromFile || f.Name == "c"
		for _, s := range a.Role.known(cfg) {
			if f.Name == s.name || f.Name == s.short {
				cfg.give(s.name, FromFlag)
			}
		}
	})
	if fromFile {
		if err := a.Load(cfg, file); err != nil {
			return err
		}
	}
	return errors.Join(cfg.checkGiven(a.Role), cfg.Check(a.Role))
}

// bind binds the setting's flag to its field, whose value is the default; the
// environment comes before that.
func (s setting) bind(cfg *Config, set *flag.FlagSet) {
	for _, name := range []string{s.name, s.short} {
		if name == "" {
			continue
		}
		switch v := s.value.(type) {
		case *int:
			set.IntVar(v, name, *v, "")
		case *bool:
			set.BoolVar(v, name, *v, "")
		case *string:
			if text, ok := os.LookupEnv(s.env); ok && s.env != "" {
				*v = text
				cfg.give(s.name, FromEnvironment)
			}
			set.StringVar(v, name, *v, "")
		}
	}
}

func (a App) strayWord(word string) error {
	if word == "help" || word == "h" {
		return flag.ErrHelp
	}
	return fmt.Errorf("%q is neither a flag nor the value of one: a switch like --nocomp takes no value but --nocomp=false, and all flags begin with a dash", word)
}

// What package flag says of a bad command line; it has no typed errors.
var (
	badValue    = regexp.MustCompile(`^invalid (?:boolean )?value "(.*)" for (?:flag )?-([^:]+):`)
	unknownFlag = regexp.MustCompile(`^flag provided but not defined: -(.+)$`)
)

// usageError adds to an error of package flag what would be valid.
func (a App) usageError(err error) error {
	var c Config
	known := a.Role.known(&c)
	if m := badValue.FindStringSubmatch(err.Error()); m != nil {
		for _, s := range known {
			if m[2] == s.name || m[2] == s.short {
				return s.fault(fmt.Sprintf(`"%s" is no value for it, valid are %s`, m[1], s.valid())) // quoted already
			}
		}
	}
	if m := unknownFlag.FindStringSubmatch(err.Error()); m != nil {
		names := []string{"c"}
		for _, s := range known {
			names = append(names, s.name)
		}
		return fmt.Errorf("--%s is not a flag of the %v%s", m[1], a.Role, didYouMean(m[1], names))
	}
	return err
}

// usage prints the help text.
func (a App) usage(out io.Writer) {
	fmt.Fprintf(out, `NAME:
   kcptun - %[1]v of a tunnel that carries TCP streams over KCP over UDP

USAGE:
   %[1]v [options]

VERSION:
   %[2]s

OPTIONS:
`, a.Role, a.Version)
	cfg := DefaultConfig(a.Role)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range a.Role.known(&cfg) {
		if !s.hidden {
			fmt.Fprintf(w, "   %s\t%s\n", s.synopsis(), s.help())
		}
	}
	fmt.Fprintf(w, "   -c value\tJSON file with settings, which override the flags\n")
	fmt.Fprintf(w, "   --help, -h\tshow this text\n")
	fmt.Fprintf(w, "   --version, -v\tprint the version\n")
	w.Flush()
}

// synopsis is the setting's flags with a place for the value.
func (s setting) synopsis() string {
	value := " value"
	if _, ok := s.value.(*bool); ok {
		value = ""
	}
	text := s.flag() + value
	switch len(s.short) {
	case 0:
	case 1:
		text += ", -" + s.short + value
	default:
		text += ", --" + s.short + value
	}
	return text
}

// help is the setting's meaning with its choices, default and environment
// variable.
func (s setting) help() string {
	text := s.usage
	if len(s.choices) > 0 {
		text += ": " + strings.Join(s.choices, ", ")
	}
	switch v := s.value.(type) {
	case *int:
		text += fmt.Sprintf(" (default: %d)", *v)
	case *string:
		if *v != "" {
			text += fmt.Sprintf(" (default: %q)", *v)
		}
	}
	if s.env != "" {
		text += " [$" + s.env + "]"
	}
	return text
}
