package config

import (
	"strings"
	"testing"

	"kcptun/std/testkit"
)

// A file for the other end is refused; one for both ends is not.
func TestForeignFile(t *testing.T) {
	for _, tt := range []struct {
		role Role
		text string
		want string // of the error; "" for none
	}{
		{Client, `{"listen":":1","target":"x:1"}`, `this is a server's file: it has "listen" and "target", and a client's has localaddr and remoteaddr`},
		{Client, `{"TARGET":"x:1","key":"k"}`, `it has "TARGET"`},
		{Client, `{"listen":":1","remoteaddr":"x:1"}`, ""},
		{Client, `{"closewait":30}`, ""},
		{Server, `{"localaddr":":1","remoteaddr":"x:1"}`, `this is a client's file: it has "localaddr" and "remoteaddr", and a server's has listen and target`},
		{Server, `{"remoteaddr":"x:1","listen":":1"}`, ""},
		{Server, `{"conn":4}`, ""},
	} {
		c := Default(tt.role)
		err := c.parseJSON(tt.role, []byte(tt.text))
		if (err == nil) != (tt.want == "") {
			t.Errorf("%v %s: %v", tt.role, tt.text, err)
		} else if err != nil {
			testkit.Contains(t, err.Error(), tt.want)
		}
	}
}

// Common slips in addresses are answered with what was probably meant.
func TestMisreadAddresses(t *testing.T) {
	for _, tt := range []struct {
		role   Role
		change func(*Config)
		want   string
	}{
		{Client, func(c *Config) { c.LocalAddr = "2222" }, `--localaddr (JSON "localaddr"): "2222" is a port without a host: was "127.0.0.1:2222" meant?`},
		{Client, func(c *Config) { c.RemoteAddr = "29900" }, `was "HOST:29900" meant?`},
		{Client, func(c *Config) { c.RemoteAddr = "3000-3099" }, `"3000-3099" is a range of ports without a host: was "HOST:3000-3099" meant?`},
		{Client, func(c *Config) { c.RemoteAddr = "" }, `is empty: write host:port or host:min-max`},
		{Client, func(c *Config) { c.RemoteAddr = "vps:29900," }, `"vps:29900," has a comma without an address beside it`},
		{Client, func(c *Config) { c.RemoteAddr = "a:1,, ,b:2" }, `"a:1,, ,b:2" has a comma without an address beside it`},
		{Client, func(c *Config) { c.RemoteAddr = "http://vps:29900" }, `"http://vps:29900" begins with http://, and addresses here have no scheme: write host:port`},
		{Server, func(c *Config) { c.Target = "8000" }, `--target (JSON "target"): "8000" is a port without a host: was "127.0.0.1:8000" meant?`},
		{Server, func(c *Config) { c.Target = "unix:///run/x" }, "begins with unix://"},
		{Server, func(c *Config) { c.Listen = "29900" }, `was ":29900" meant?`},
		{Server, func(c *Config) { c.Listen = "3000-3099" }, `was ":3000-3099" meant?`},
		{Server, func(c *Config) { c.Listen = "udp://:29900" }, "begins with udp://"},
		{Both, func(c *Config) { c.Key = PlaceholderKey }, "--key (JSON \"key\"): is the placeholder of the example files"},
	} {
		for _, role := range []Role{Client, Server} {
			if role&tt.role == 0 {
				continue
			}
			_, err := checked(role, tt.change)
			if err == nil {
				t.Errorf("taken; want %s", tt.want)
				continue
			}
			testkit.Contains(t, err.Error(), tt.want)
			if strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("more than one error: %v", err)
			}
		}
	}
}
