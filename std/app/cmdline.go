package app

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"kcptun/std/config"

	"github.com/urfave/cli/v3"
)

// completionFlag is the last word of the command line when a shell asks for completions.
const completionFlag = "--generate-shell-completion"

// scanner checks a command line before package cli reads it, because cli stops at the
// first mistake and says little about it. Package cli adds the commands help and
// completion and the flag --help; it checks the topic of the one and the shell of the other.
type scanner struct {
	role  config.Role
	root  *cli.Command
	fail  func(error)
	clean []string // the words without the wrong ones, every flag as --name=value
}

// scan reads the words of a command line.
func (s *scanner) scan(words []string) {
	cmd := s.root
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		switch {
		case word == "--":
			for _, w := range words {
				s.strayWord(w)
			}
			return
		case len(word) > 1 && word[0] == '-':
			words = s.flag(cmd, word, words)
		case typographicDash(word) != 0:
			name, _, _ := strings.Cut(word, "=") // the value may be a key
			s.fail(fmt.Errorf("%q begins with a typographic dash (%U): flags begin with -, as in --mode", name, typographicDash(word)))
			words = afterValue(word, words)
		case cmd.Command(word) != nil:
			s.clean = append(s.clean, word)
			cmd = cmd.Command(word)
		case word == "help" || word == "h":
			s.clean = append(append(s.clean, word), words...)
			return
		case cmd == s.root && word == "completion":
			s.clean = append(s.clean, word)
			cmd = &cli.Command{Name: word}
		case cmd != s.root && cmd.Name == "completion": // the name of a shell
			s.clean = append(s.clean, word)
			cmd = &cli.Command{Name: "completion " + word}
		default:
			s.strayWord(word)
		}
	}
}

// flag reads a flag and returns the words after its value.
func (s *scanner) flag(cmd *cli.Command, word string, words []string) []string {
	name, value, hasValue := strings.Cut(strings.TrimPrefix(word[1:], "-"), "=")
	o := findOption(cmd, name)
	switch {
	case o == nil && (name == "help" || name == "h"):
		s.clean = append(s.clean, word)
	case o == nil:
		s.unknownFlag(cmd, name)
		return afterValue(word, words)
	case o.isSwitch && !hasValue:
		s.clean = append(s.clean, dashed(name)+"=true")
	case o.isSwitch && value == "":
		o.set(value) // an error here, though package cli takes it for true
	case hasValue:
		s.clean = append(s.clean, dashed(name)+"="+value)
	case len(words) == 0:
		s.fail(fmt.Errorf("%s needs a value after it%s", dashed(name), o.valid))
	case isFlag(cmd, words[0]):
		s.fail(fmt.Errorf("%s needs a value after it%s; %s is a flag, and a value that looks like one goes behind an equals sign: %s=VALUE", dashed(name), o.valid, words[0], dashed(name)))
	default:
		s.clean = append(s.clean, dashed(name)+"="+words[0])
		return words[1:]
	}
	return words
}

// afterValue returns the words after the value of a flag that does not exist, if it seems to
// have one.
func afterValue(flag string, words []string) []string {
	if strings.Contains(flag, "=") || len(words) == 0 || strings.HasPrefix(words[0], "-") || typographicDash(words[0]) != 0 {
		return words
	}
	return words[1:]
}

// typographicDash returns the first character if it is one that word processors and web pages
// put in the place of -; 0 if it is not.
func typographicDash(word string) rune {
	r, _ := utf8.DecodeRuneInString(word)
	if r != '-' && unicode.Is(unicode.Pd, r) || r == '\u2212' {
		return r
	}
	return 0
}

// isFlag reports whether a word is a flag of the command. Other words that begin with a dash
// may be values, such as a key or a negative number.
func isFlag(cmd *cli.Command, word string) bool {
	name, dash := strings.CutPrefix(word, "-")
	return dash && findOption(cmd, strings.TrimPrefix(name, "-")) != nil
}

func findOption(cmd *cli.Command, name string) *option {
	for _, f := range cmd.Flags {
		// While a shell asks for completions, there are also flags of package cli.
		if o, ours := f.(*option); ours && slices.Contains(o.names, name) {
			return o
		}
	}
	return nil
}

// unknownFlag reports a flag that does not exist here, and says where it does exist. It omits
// the value, which may be a key.
func (s *scanner) unknownFlag(cmd *cli.Command, name string) {
	other := config.Both &^ s.role
	for _, o := range other.Settings(new(config.Config)) {
		if (name == o.Name || name == o.Short) && findOption(s.root, name) == nil {
			s.fail(fmt.Errorf("%s is not a flag of the %v, but of the %v", dashed(name), s.role, other))
			return
		}
	}
	var known []string
	for _, f := range cmd.Flags {
		if o := f.(*option); len(o.names[0]) > 1 {
			known = append(known, o.names[0])
		}
	}
	owner := s.role.String()
	if cmd != s.root {
		owner = "command " + cmd.Name
	}
	s.fail(fmt.Errorf("%s is not a flag of the %s%s", dashed(name), owner, config.DidYouMean(name, known)))
}

func (s *scanner) strayWord(word string) {
	known := []string{"help", "completion"}
	for _, sub := range s.root.Commands {
		known = append(known, sub.Name)
	}
	if slices.Contains(known, word) {
		s.fail(fmt.Errorf("%q stands where no command can: there is one at most, and none after --", word))
		return
	}
	s.fail(fmt.Errorf("%q is neither a flag, nor the value of one, nor a command: flags begin with a dash, and a switch takes a value only as in --nocomp=false%s", word, config.DidYouMean(word, known)))
}
