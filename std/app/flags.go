package app

import "kcptun/std/config"

// optionOf is the setting's flag. It writes to the setting's field of c, and hands what is
// wrong to fail. Its help shows the present value as the default.
func optionOf(s config.Setting, c *config.Config, fail func(error)) *option {
	o := &option{names: []string{s.Name}, usage: s.Help(), isSwitch: s.IsSwitch(), hidden: s.Hidden, choices: s.Choices()}
	if valid := s.Valid(); valid != "" {
		o.valid = ", valid are " + valid
	}
	if s.Short != "" {
		o.names = append(o.names, s.Short)
	}
	o.take = func(text string) {
		if err := s.Set(text); err != nil {
			fail(err)
			return
		}
		c.Give(s.Name, config.FromFlag)
	}
	return o
}
