package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"kcptun/std/build"
)

// Error reports what is wrong with one setting, and what is valid.
type Error struct {
	Flag, Key string // names of the setting; Key is "" if JSON has none
	Reason    string // the value, and what is valid
}

func (e *Error) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("%s: %s", e.Flag, e.Reason)
	}
	return fmt.Sprintf("%s (JSON %q): %s", e.Flag, e.Key, e.Reason)
}

// Check validates all settings of a role and applies the mode. It opens nothing. It returns
// all errors joined, each an *Error, and adds to c.Warnings.
func (c *Config) Check(r Role) error {
	var errs []error
	for _, s := range r.Settings(c) {
		if reason := s.check(c.warn); reason != "" {
			errs = append(errs, s.fault(reason))
		}
	}
	fail := func(name, format string, args ...any) {
		for _, s := range r.Settings(c) {
			if s.Name == name {
				errs = append(errs, s.fault(fmt.Sprintf(format, args...)))
			}
		}
	}
	c.checkKey(fail)
	c.checkAddresses(r, fail)
	c.checkCombinations(r, fail)
	c.applyMode()
	c.applyAuto(r)
	return errors.Join(errs...)
}

// CheckGiven reports settings without which a program has nothing to do. Check accepts
// their defaults, which are valid but lead nowhere.
func (c *Config) CheckGiven(r Role) error {
	var errs []error
	for _, s := range r.Settings(c) {
		if s.needed && c.Source(s.Name) == FromDefault {
			errs = append(errs, s.fault(fmt.Sprintf("is missing: there is no server at the default, %v; write host:port or host:min-max", s.Value())))
		}
	}
	return errors.Join(errs...)
}

type failFunc func(name, format string, args ...any)

func (c *Config) checkKey(fail failFunc) {
	switch {
	case c.Key == PlaceholderKey:
		fail("key", "is the placeholder of the example files: choose another, such as the command genkey prints")
	case c.Key != "":
	case os.Getenv(KeyEnv) == "" && envSet(KeyEnv):
		fail("key", "the environment variable %s is set but empty: set it to a key, or unset it", KeyEnv)
	default:
		fail("key", "is empty: any other text is valid")
	}
	c.warnOddKey()
	if c.Key == DefaultKey && c.Crypt != "null" {
		c.warn("the default key is in use, which everybody knows: set --key, JSON \"key\" or %s", KeyEnv)
	}
}

// warnOddKey warns of characters that easily get into a key by accident, so that it would
// differ from the key at the other end.
func (c *Config) warnOddKey() {
	if strings.TrimSpace(c.Key) != c.Key {
		c.warn("the key begins or ends with white space, which is part of it: the other end must have it, too")
	}
	if strings.ContainsFunc(strings.TrimSpace(c.Key), unicode.IsControl) {
		c.warn("the key has a control character, which is part of it: the other end must have it, too")
	}
	switch {
	case !utf8.ValidString(c.Key):
		c.warn("the key is not UTF-8: a JSON file at the other end cannot hold the same")
	case strings.ContainsRune(c.Key, utf8.RuneError):
		c.warn("the key has the character U+FFFD, which programs write for bytes that they could not read: different keys may have become one")
	}
}

func envSet(name string) bool {
	_, set := os.LookupEnv(name)
	return set
}

// checkCombinations checks what depends on several settings.
func (c *Config) checkCombinations(r Role, fail failFunc) {
	if c.DataShard+c.ParityShard > 256 {
		fail("datashard", "%d and --parityshard %d make more than 256 together", c.DataShard, c.ParityShard)
	}
	if c.StreamBuf > c.SmuxBuf {
		fail("streambuf", "%d is above --smuxbuf (JSON \"smuxbuf\") %d: lower the one, or raise the other", c.StreamBuf, c.SmuxBuf)
	}
	if c.QPP {
		warnings, err := ValidateQPPParams(c.QPPCount, c.Key)
		if err != nil && !build.QPP {
			fail("QPP", "%v", err)
		}
		for _, w := range warnings {
			c.warn("%s", w)
		}
	}
	if c.Pprof && !build.Pprof {
		fail("pprof", "this program was built without it (tag nopprof), only false is valid")
	}
	// The default is above the usual --autoexpire, but nobody has chosen it.
	chosen := c.ScavengeTTL != Default(Client).ScavengeTTL
	if r == Client && chosen && c.AutoExpire > 0 && c.ScavengeTTL > c.AutoExpire {
		c.warn("--scavengettl %d is above --autoexpire %d: replaced sessions with streams may pile up", c.ScavengeTTL, c.AutoExpire)
	}
	if c.TCP && c.KeepAlive > MaxKeepAliveTCP {
		c.warn("--keepalive %d is too long with --tcp, because a server forgets a flow after a minute of silence: %d is used", c.KeepAlive, MaxKeepAliveTCP)
	}
	c.checkSnmpLog()
	switch c.Crypt {
	case "none", "null":
		c.warn("--crypt %s encrypts nothing", c.Crypt)
	case "xor":
		c.warn("--crypt xor keeps nothing secret from somebody who knows a part of what is sent")
	}
}

// checkSnmpLog warns of a directory that is missing, which would otherwise be noticed only after
// the first period. It may be created until then.
func (c *Config) checkSnmpLog() {
	dir := filepath.Dir(c.SnmpLog)
	if info, err := os.Stat(dir); c.WritesCounters() && (err != nil || !info.IsDir()) {
		c.warn("--snmplog %s: there is no directory %s yet, and the counters cannot be written without it", c.SnmpLog, dir)
	}
}

// MaxKeepAliveTCP is the longest keepalive interval with --tcp, in seconds. A server drops a
// flow that is silent for a minute, as tcpraw does.
const MaxKeepAliveTCP = 30

func (c *Config) warn(format string, args ...any) {
	c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...))
}
