package config

import "os"

// Source says where the value of a setting comes from.
type Source string

// The sources in the order in which they override each other. The mode comes last: it sets
// what other modes leave to the user.
const (
	FromDefault     Source = "default"
	FromEnvironment Source = "environment"
	FromFlag        Source = "flag"
	FromFile        Source = "file"
	FromMode        Source = "mode"
)

// Source returns where the value of the named setting comes from.
func (c *Config) Source(name string) Source {
	if from, given := c.given[name]; given {
		return from
	}
	return FromDefault
}

// Note records where the value of the named setting comes from.
func (c *Config) Note(name string, from Source) {
	if c.given != nil {
		c.given[name] = from
	}
}

// ReadEnvironment sets what environment variables give and flags do not.
func (c *Config) ReadEnvironment(r Role) {
	for _, s := range r.Settings(c) {
		text, exists := os.LookupEnv(s.env)
		if s.env != "" && exists && c.Source(s.Name) == FromDefault && s.value.set(text) {
			c.Note(s.Name, FromEnvironment)
		}
	}
}
