package std

// optionOf is the setting's flag. It writes to the setting's field of c, and hands what is
// wrong to fail. Its help shows the present value as the default.
func optionOf(s setting, c *Config, fail func(error)) *option {
	_, isSwitch := s.value.(*bool)
	o := &option{names: []string{s.name}, usage: s.help(), isSwitch: isSwitch, hidden: s.hidden, choices: s.choices}
	if valid := s.valid(); valid != "" {
		o.valid = ", valid are " + valid
	}
	if s.short != "" {
		o.names = append(o.names, s.short)
	}
	o.take = func(text string) {
		if err := s.set(text); err != nil {
			fail(err)
			return
		}
		c.give(s.name, FromFlag)
	}
	return o
}
