package config

import "os"

// Source is where the value of a setting comes from.
type Source string

// The sources, each of which overrides those before it. The mode is last: it decides about
// settings that only other modes leave to the user.
const (
	FromDefault     Source = "default"
	FromEnvironment Source = "environment"
	FromFlag        Source = "flag"
	FromFile        Source = "file"
	FromMode        Source = "mode"
)

// Source is where the value of the setting with this name comes from.
func (c *Config) Source(name string) Source {
	if from, given := c.given[name]; given {
		return from
	}
	return FromDefault
}

// Note records that the value of a setting comes from this source.
func (c *Config) Note(name string, from Source) {
	if c.given != nil {
		c.given[name] = from
	}
}

// ReadEnvironment sets what environment variables give and no flag does.
func (c *Config) ReadEnvironment(r Role) {
	for _, s := range r.Settings(c) {
		text, exists := os.LookupEnv(s.env)
		if s.env != "" && exists && c.Source(s.Name) == FromDefault && s.value.set(text) {
			c.Note(s.Name, FromEnvironment)
		}
	}
}
