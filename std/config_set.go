package std

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// set reads the setting's value from a command line.
func (s setting) set(text string) error {
	var err error
	switch v := s.value.(type) {
	case *int:
		var n int64
		if n, err = strconv.ParseInt(text, 0, strconv.IntSize); err == nil {
			*v = int(n)
		}
	case *bool:
		var on bool
		if on, err = strconv.ParseBool(text); err == nil {
			*v = on
		}
	case *string:
		*v = text
	}
	if err != nil {
		return s.fault(fmt.Sprintf("%q is no value for it, valid are %s", text, s.valid()))
	}
	return nil
}

// readEnvironment takes the settings that environment variables give and no flag.
func (c *Config) readEnvironment(r Role) {
	for _, s := range r.known(c) {
		text, exists := os.LookupEnv(s.env)
		if v, is := s.value.(*string); is && exists && s.env != "" && c.source(s.name) == FromDefault {
			*v = text
			c.give(s.name, FromEnvironment)
		}
	}
}

// help is the setting's meaning with its choices, default and environment variable.
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
