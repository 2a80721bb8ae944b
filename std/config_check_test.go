package std

import (
	"net"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"kcptun/std/testkit"
)

// checked checks settings that change changed, with a key of our own.
func checked(role Role, change func(*Config)) (Config, error) {
	c := DefaultConfig(role)
	c.Key = "a key"
	change(&c)
	err := c.Check(role)
	return c, err
}

func TestCheckDefaults(t *testing.T) {
	for _, role := range []Role{Client, Server} {
		c, err := checked(role, func(*Config) {})
		if err != nil || len(c.Warnings) > 0 {
			t.Errorf("%v: %v, %q", role, err, c.Warnings)
		}
	}
}

// The ends of each range are valid and the numbers beyond them are not.
func TestCheckRanges(t *testing.T) {
	const huge = 1<<31 - 1
	ranges := map[string][2]int{
		"QPPCount": {1, 65535}, "conn": {1, 65535}, "autoexpire": {0, huge}, "scavengettl": {0, huge}, "mtu": {100, 1500},
		"ratelimit": {0, int(min(1<<32-1, uint64(^uint(0)>>1)))}, "sndwnd": {1, 65535}, "rcvwnd": {1, 65535}, "datashard": {0, 256}, "parityshard": {0, 256},
		"dscp": {0, 63}, "nodelay": {0, 1}, "interval": {10, 5000}, "resend": {0, huge}, "nc": {0, 1}, "sockbuf": {1, huge}, "smuxver": {1, 2},
		"smuxbuf": {1, huge}, "framesize": {1, 65535}, "streambuf": {1, huge}, "keepalive": {1, 86400}, "closewait": {0, huge}, "snmpperiod": {0, 86400 * 365},
	}
	for _, role := range []Role{Client, Server} {
		var c Config
		for _, s := range role.known(&c) {
			if _, is := s.value.(*int); !is {
				continue
			}
			ends, has := ranges[s.name]
			if !has {
				t.Errorf("--%s has no range here", s.name)
				continue
			}
			low, high := ends[0], ends[1]
			for value, good := range map[int]bool{low - 1: false, -1: low == -1, low: true, low + 1: true, high - 1: true, high: true, high + 1: high+1 < high} {
				if good && (value < low || value > high) {
					continue // of 32-bit numbers
				}
				_, err := checked(role, func(c *Config) {
					c.SmuxBuf, c.ParityShard, c.DataShard = huge, 0, 0 // nothing but the range
					if s.name == "smuxbuf" {
						c.StreamBuf = 1
					}
					setInt(c, s.name, value)
				})
				if (err == nil) != good {
					t.Errorf("%v --%s %d: %v", role, s.name, value, err)
				}
				if err != nil {
					testkit.Contains(t, err.Error(), s.flag()+" (JSON ", strconv.Itoa(value)+" is out of range, valid are "+strconv.Itoa(low)+" to "+strconv.Itoa(high))
				}
			}
		}
	}
}

func setInt(c *Config, name string, value int) {
	for _, s := range settings(c) {
		if s.name == name {
			reflect.ValueOf(s.value).Elem().SetInt(int64(value))
		}
	}
}

func TestCheckCombinations(t *testing.T) {
	for _, tt := range []struct {
		name   string
		role   Role
		change func(*Config)
		want   string // in the error; "" for none
	}{
		{"256 shards", both, func(c *Config) { c.DataShard, c.ParityShard = 200, 56 }, ""},
		{"257 shards", both, func(c *Config) { c.DataShard, c.ParityShard = 200, 57 }, "--datashard"},
		{"no FEC", both, func(c *Config) { c.DataShard, c.ParityShard = 0, 0 }, ""},
		{"one sort of shards", both, func(c *Config) { c.ParityShard = 0 }, ""},
		{"buffers equal", both, func(c *Config) { c.StreamBuf, c.SmuxBuf = 1000, 1000 }, ""},
		{"streambuf above smuxbuf", both, func(c *Config) { c.StreamBuf, c.SmuxBuf = 1001, 1000 }, "--streambuf"},
		{"long keepalive", both, func(c *Config) { c.KeepAlive = 3600 }, ""},
		{"other end's settings", Client, func(c *Config) { c.Listen, c.Target = "x", "" }, ""},
		{"other end's settings", Server, func(c *Config) { c.LocalAddr, c.RemoteAddr, c.Conn = "", "x", 0 }, ""},
		{"no key", both, func(c *Config) { c.Key = "" }, "--key"},
	} {
		for _, role := range []Role{Client, Server} {
			if role&tt.role == 0 {
				continue
			}
			_, err := checked(role, tt.change)
			if (err == nil) != (tt.want == "") {
				t.Errorf("%s: %v", tt.name, err)
			}
			if err != nil {
				testkit.Contains(t, err.Error(), tt.want)
			}
		}
	}
}

func TestCheckWarnings(t *testing.T) {
	for _, tt := range []struct {
		role   Role
		change func(*Config)
		want   string
	}{
		{both, func(c *Config) { c.Key = DefaultKey }, "default key"},
		{both, func(c *Config) { c.Crypt = "none" }, "encrypts nothing"},
		{both, func(c *Config) { c.Crypt = "null" }, "encrypts nothing"},
		{both, func(c *Config) { c.Crypt = "xor" }, "keeps nothing secret"},
		{Client, func(c *Config) { c.AutoExpire = 599 }, "--scavengettl 600 is above --autoexpire 599"},
		{Client, func(c *Config) { c.LocalAddr = "12948" }, "taken for the path of a unix socket"},
		{Server, func(c *Config) { c.Target = ":80" }, "names no host"},
	} {
		for _, role := range []Role{Client, Server} {
			if role&tt.role == 0 {
				continue
			}
			c, err := checked(role, tt.change)
			if err != nil || len(c.Warnings) != 1 {
				t.Errorf("want %q, got %q, %v", tt.want, c.Warnings, err)
				continue
			}
			testkit.Contains(t, c.Warnings[0], tt.want)
		}
	}
	c, _ := checked(Client, func(c *Config) { c.AutoExpire = 600 })
	if len(c.Warnings) > 0 {
		t.Error(c.Warnings)
	}
}

func TestCheckAddresses(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		role   Role
		change func(*Config, string)
		good   []string
		bad    []string
	}{
		{
			Client, func(c *Config, a string) { c.LocalAddr = a },
			[]string{":12948", ":0", "127.0.0.1:1", "[::1]:80", "localhost:http", filepath.Join(dir, "s"), "s.sock", "./s"},
			[]string{"", ":", "host:", ":65536", ":-1", ":x y", "::1:80", "[::1:80", "/no/such/dir/s", "1:2:3"},
		},
		{
			Server, func(c *Config, a string) { c.Target = a },
			[]string{"127.0.0.1:12948", "[::1]:1", "example.org:65535", filepath.Join(dir, "s")},
			[]string{"", "host:0", "host:", "host:65536", "::1:80", "/no/such/dir/s"},
		},
		{
			Client, func(c *Config, a string) { c.RemoteAddr = a },
			[]string{"vps:29900", "1.2.3.4:1-2", "[::1]:29900", "[2001:db8::1]:1-65535"},
			[]string{"", "vps", ":29900", ":1-2", "vps:0", "vps:2-1", "::1:29900", "/run/s"},
		},
		{
			Server, func(c *Config, a string) { c.Listen = a },
			[]string{":29900", "0.0.0.0:1-2", "[::]:29900", "[fe80::1%lo]:1", "127.0.0.1:65535"},
			[]string{"", "29900", ":0", ":2-1", "::29900x", "[x]:29900", "[::1::2]:1"},
		},
	} {
		for _, addr := range tt.good {
			if _, err := checked(tt.role, func(c *Config) { tt.change(c, addr) }); err != nil {
				t.Errorf("%q: %v", addr, err)
			}
		}
		for _, addr := range tt.bad {
			_, err := checked(tt.role, func(c *Config) { tt.change(c, addr) })
			if err == nil {
				t.Errorf("%q was taken", addr)
				continue
			}
			testkit.Contains(t, err.Error(), " (JSON ")
			if strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("%q: more than one error: %v", addr, err)
			}
		}
	}
}

func TestConfigError(t *testing.T) {
	if got := (&ConfigError{Flag: "--x", Reason: "why"}).Error(); got != "--x: why" {
		t.Error(got)
	}
	if got := (&ConfigError{Flag: "--x", Key: "y", Reason: "why"}).Error(); got != `--x (JSON "y"): why` {
		t.Error(got)
	}
}

func FuzzCheckStream(f *testing.F) {
	for _, seed := range []string{":12948", "[::1]:80", "/run/s", "s", "a:b:c", ":", "x:-1", "\x00:1", "[::1%25]:1", ":+1", "host:0x10"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		var c Config
		bad := false
		c.checkStream("target", addr, 1, func(string, string, ...any) { bad = true })
		if bad || IsUnixPath(addr) {
			return
		}
		_, port, err := net.SplitHostPort(addr)
		if n, err2 := net.LookupPort("tcp", port); err != nil || err2 != nil || n < 1 || n > 65535 {
			t.Errorf("%q was taken: %v, %d, %v", addr, err, n, err2)
		}
	})
}
