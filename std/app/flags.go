package app

import "kcptun/std/config"

// optionOf returns the flag of a setting. It writes to the field of c and reports mistakes
// to fail. Its help shows the current value as the default.
func optionOf(s config.Setting, c *config.Config, fail func(error)) *option {
	o := &option{names: []string{s.Name}, usage: s.Help(), isSwitch: s.IsSwitch(), hidden: s.Hidden, choices: s.Choices()}
	if valid := s.Valid(); valid != "" {
		o.valid = ", valid values are " + valid
	}
	if s.Short != "" {
		o.names = append(o.names, s.Short)
	}
	o.set = func(text string) {
		if err := s.Set(text); err != nil {
			fail(err)
			return
		}
		c.Note(s.Name, config.FromFlag)
	}
	return o
}
