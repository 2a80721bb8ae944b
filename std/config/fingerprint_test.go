package config

import (
	"testing"
)

func TestFingerprint(t *testing.T) {
	base := Default(Client)
	if got := base.Fingerprint(); len(got) != 8 {
		t.Errorf("%q", got)
	}
	server := Default(Server)
	if base.Fingerprint() != server.Fingerprint() {
		t.Error("the defaults of the two ends fit together")
	}
	for name, change := range map[string]func(*Config){
		"crypt":   func(c *Config) { c.Crypt = "salsa20" },
		"nocomp":  func(c *Config) { c.NoComp = true },
		"smuxver": func(c *Config) { c.SmuxVer = 1 },
		"QPP":     func(c *Config) { c.QPP = true },
	} {
		c := base
		change(&c)
		if c.Fingerprint() == base.Fingerprint() {
			t.Errorf("%s must match, and changes nothing", name)
		}
	}
	one, other := base, base
	one.QPP, other.QPP, other.QPPCount = true, true, 67
	if one.Fingerprint() == other.Fingerprint() {
		t.Error("QPPCount must match under QPP, and changes nothing")
	}
	other = base
	other.Key, other.QPPCount, other.MTU, other.Mode, other.DataShard, other.SndWnd, other.RemoteAddr, other.CloseWait = "k", 67, 1200, "fast3", 5, 7, "x:1", 9
	if other.Fingerprint() != base.Fingerprint() {
		t.Error("the key and what may differ changes it")
	}
}
