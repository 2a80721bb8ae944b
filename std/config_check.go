package std

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ConfigError says what is wrong with one setting and what would be right.
type ConfigError struct {
	Flag, Key string // its names; Key is "" where JSON has none
	Reason    string // the value, and what is valid
}

func (e *ConfigError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("%s: %s", e.Flag, e.Reason)
	}
	return fmt.Sprintf("%s (JSON %q): %s", e.Flag, e.Key, e.Reason)
}

// Check validates all settings of a role and puts the mode in force. It opens
// nothing. It returns every *ConfigError there is, joined, and appends to
// c.Warnings.
func (c *Config) Check(r Role) error {
	var errs []error
	for _, s := range r.known(c) {
		if reason := s.check(); reason != "" {
			errs = append(errs, s.fault(reason))
		}
	}
	fail := func(name, format string, args ...any) {
		for _, s := range r.known(c) {
			if s.name == name {
				errs = append(errs, s.fault(fmt.Sprintf(format, args...)))
			}
		}
	}
	c.checkKey(fail)
	c.checkAddresses(r, fail)
	c.checkCombinations(r, fail)
	c.applyMode()
	return errors.Join(errs...)
}

func (s setting) fault(reason string) error {
	return &ConfigError{Flag: s.flag(), Key: s.key, Reason: reason}
}

// check validates one setting by itself.
func (s setting) check() string {
	switch v := s.value.(type) {
	case *int:
		if *v < s.min || *v > s.max {
			return fmt.Sprintf("%d is out of range, valid are %s", *v, s.valid())
		}
	case *string:
		if len(s.choices) == 0 {
			return ""
		}
		for _, choice := range s.choices {
			if *v == choice {
				return ""
			}
		}
		return fmt.Sprintf("%q is unknown, valid are %s", *v, s.valid())
	}
	return ""
}

// valid says what values a setting takes.
func (s setting) valid() string {
	switch s.value.(type) {
	case *int:
		return strconv.Itoa(s.min) + " to " + strconv.Itoa(s.max)
	case *bool:
		return "true, false"
	}
	return strings.Join(s.choices, ", ")
}

type failFunc func(name, format string, args ...any)

func (c *Config) checkKey(fail failFunc) {
	switch {
	case c.Key != "":
	case os.Getenv(KeyEnv) == "" && envSet(KeyEnv):
		fail("key", "the environment variable %s is set but empty, valid is any text that is not", KeyEnv)
	default:
		fail("key", "is empty, valid is any text that is not")
	}
	if c.Key == DefaultKey && c.Crypt != "null" {
		c.warn("the default key is in use, which everybody knows: set --key, JSON \"key\" or %s", KeyEnv)
	}
}

func envSet(name string) bool {
	_, set := os.LookupEnv(name)
	return set
}

func (c *Config) checkAddresses(r Role, fail failFunc) {
	if r == Client {
		c.checkStream("localaddr", c.LocalAddr, 0, fail)
		mp, err := ParseMultiPort(c.RemoteAddr)
		if err != nil {
			fail("remoteaddr", "%v", err)
		} else if mp.Host == "" {
			fail("remoteaddr", "%q names no host, valid is host:port or host:min-max", c.RemoteAddr)
		}
		return
	}
	c.checkStream("target", c.Target, 1, fail)
	mp, err := ParseMultiPort(c.Listen)
	if err != nil {
		fail("listen", "%v", err)
		return
	}
	host := strings.Trim(mp.Host, "[]")
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(mp.Host, "[") {
		fail("listen", "%q is not an IPv6 address", mp.Host)
	}
}

// checkStream checks an address that TCP or a unix socket can stand for.
func (c *Config) checkStream(name, addr string, minPort int, fail failFunc) {
	if addr == "" {
		fail(name, "is empty, valid is host:port or the path of a unix socket")
		return
	}
	if IsUnixPath(addr) {
		if !strings.ContainsAny(addr, `/\`) {
			c.warn("--%s %s has no port and is taken for the path of a unix socket", name, addr)
		}
		if dir := filepath.Dir(addr); dir != "." {
			if _, err := os.Stat(dir); err != nil {
				fail(name, "%q is taken for the path of a unix socket, as it has no port: %v", addr, err)
			}
		}
		return
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		fail(name, "%v, valid is host:port or the path of a unix socket", err)
		return
	}
	if n, err := net.LookupPort("tcp", port); err != nil || n < minPort || port == "" {
		fail(name, "%q: port %q is not a number from %d to 65535", addr, port, minPort)
	}
	if name == "target" && host == "" {
		c.warn("--target %s names no host and means this machine", addr)
	}
}

// checkCombinations checks what depends on more than one setting.
func (c *Config) checkCombinations(r Role, fail failFunc) {
	if c.DataShard+c.ParityShard > 256 {
		fail("datashard", "%d and --parityshard %d make more than 256, valid is a sum of 256 or less", c.DataShard, c.ParityShard)
	}
	if c.StreamBuf > c.SmuxBuf {
		fail("streambuf", "%d is above --smuxbuf (JSON \"smuxbuf\") %d, valid is that or less", c.StreamBuf, c.SmuxBuf)
	}
	if c.QPP {
		warnings, err := ValidateQPPParams(c.QPPCount, c.Key)
		if err != nil && QPPLicence == "" {
			fail("QPP", "%v", err)
		}
		for _, w := range warnings {
			c.warn("%s", w)
		}
	}
	if c.Pprof && !pprofBuilt {
		fail("pprof", "this program was built without it (tag nopprof), valid is false")
	}
	if r == Client && c.AutoExpire > 0 && c.ScavengeTTL > c.AutoExpire {
		c.warn("--scavengettl %d is above --autoexpire %d: replaced sessions with streams may pile up", c.ScavengeTTL, c.AutoExpire)
	}
	switch c.Crypt {
	case "none", "null":
		c.warn("--crypt %s encrypts nothing", c.Crypt)
	case "xor":
		c.warn("--crypt xor keeps nothing secret from somebody who knows a part of what is sent")
	}
}

func (c *Config) warn(format string, args ...any) {
	c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...))
}
