package std

// Source is where the value of a setting comes from.
type Source string

// The sources, each of which overrides those before it. The mode comes last: it decides
// about settings that only other modes leave to the user.
const (
	FromDefault     Source = "default"
	FromEnvironment Source = "environment"
	FromFlag        Source = "flag"
	FromFile        Source = "file"
	FromMode        Source = "mode"
)

// source is where the value of the setting with this name comes from.
func (c *Config) source(name string) Source {
	if from, given := c.given[name]; given {
		return from
	}
	return FromDefault
}

// give notes that the value of a setting comes from somewhere else than the defaults.
func (c *Config) give(name string, from Source) {
	if c.given != nil {
		c.given[name] = from
	}
}
