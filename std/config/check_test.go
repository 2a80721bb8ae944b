package config

import (
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kcptun/std/address"
	"kcptun/std/build"
	"kcptun/std/crypt"
	"kcptun/std/testkit"
)

// checked checks settings modified by change, with a key of our own.
func checked(role Role, change func(*Config)) (Config, error) {
	c := Default(role)
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

// outOfRange says what happens to a number below or above a range.
type outOfRange struct {
	low, high    int
	below, above int // the values then used; any other value means that it is refused
}

const refused = -2

// The ends of each range are valid. Beyond them, what the original or kcp-go accepts is
// used with a warning; anything else is an error.
func TestCheckRanges(t *testing.T) {
	const huge = 1<<31 - 1
	maxRate := int(min(1<<32-1, uint64(^uint(0)>>1)))
	ranges := map[string]outOfRange{
		"QPPCount":    {1, 65535, refused, refused},
		"conn":        {1, 65535, refused, refused},
		"autoexpire":  {0, huge, 0, refused},
		"scavengettl": {-1, huge, -1, refused},
		"mtu":         {100, 1500, refused, 1500},
		"ratelimit":   {0, maxRate, refused, refused},
		"sndwnd":      {1, 65535, 32, 65535},
		"rcvwnd":      {1, 65535, 32, 65535},
		"datashard":   {0, 256, 0, refused},
		"parityshard": {0, 256, 0, refused},
		"dscp":        {0, 63, refused, refused},
		"nodelay":     {0, 1, 0, 1},
		"interval":    {10, 5000, 10, 5000},
		"resend":      {0, huge, 0, refused},
		"nc":          {0, 1, 0, 1},
		"sockbuf":     {1, huge, refused, refused},
		"smuxver":     {1, 2, refused, refused},
		"memlimit":    {0, 1 << 20, refused, refused},
		"smuxbuf":     {1, huge, refused, refused},
		"framesize":   {1, 65535, refused, refused},
		"streambuf":   {1, huge, refused, refused},
		"keepalive":   {1, 86400, refused, refused},
		"closewait":   {0, huge, 0, refused},
		"snmpperiod":  {0, 86400 * 365, refused, refused},
	}
	for _, role := range []Role{Client, Server} {
		var c Config
		for _, s := range role.Settings(&c) {
			if _, is := s.value.(number); !is || s.Name == "QPPCount" && !build.QPP {
				continue
			}
			r, has := ranges[s.Name]
			if !has {
				t.Errorf("--%s has no range here", s.Name)
				continue
			}
			for value, want := range map[int]int{r.low - 1000: r.below, r.low - 1: r.below, r.low: r.low, r.low + 1: r.low + 1, r.high - 1: r.high - 1, r.high: r.high, r.high + 1: r.above} {
				if r.high+1 < r.high && value == r.high+1 {
					continue // of 32-bit numbers
				}
				checkRange(t, role, s, value, want, r)
			}
		}
	}
}

func checkRange(t *testing.T, role Role, s Setting, value, want int, r outOfRange) {
	t.Helper()
	c, err := checked(role, func(c *Config) {
		// Only the range is tested, so every setting is in use.
		c.SmuxBuf, c.ParityShard, c.DataShard, c.StreamBuf = math.MaxInt32, 0, 0, 1
		c.Mode, c.QPP, c.SnmpLog = "manual", build.QPP, "x"
		c.Key, c.QPPCount = strings.Repeat("k", 211), 61
		if s.Name == "memlimit" {
			c.Mode = ModeAuto
		}
		setInt(c, s.Name, value)
	})
	text := s.Flag() + ` (JSON "` + s.Key + `"): ` + fmt.Sprintf("%d is out of range, valid values are %d to %d", value, r.low, r.high)
	if want == refused && value != want {
		if err == nil {
			t.Errorf("%v --%s %d was taken", role, s.Name, value)
		} else {
			testkit.Contains(t, err.Error(), text)
		}
		return
	}
	if got := getInt(&c, s.Name); got != want || err != nil {
		t.Errorf("%v --%s %d: %d is in force, want %d; %v", role, s.Name, value, got, want, err)
	}
	warned := slices.Contains(c.Warnings, text+fmt.Sprintf("; %d is in force", want))
	if warned != (want != value) {
		t.Errorf("%v --%s %d: warnings %q", role, s.Name, value, c.Warnings)
	}
}

// A number out of range does not matter if another setting makes it unused.
func TestCheckUnused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		value   int
		mode    string
		want    string // of the warning
		inForce int
	}{
		{"nodelay", 2, "fast2", "ignored, as the mode is not manual", 1},
		{"interval", 5, "fast2", "ignored, as the mode is not manual", 20},
		{"interval", 0, "fast", "ignored, as the mode is not manual", 30},
		{"resend", -1, "fast3", "ignored, as the mode is not manual", 2},
		{"nc", 2, "normal", "ignored, as the mode is not manual", 1},
		{"QPPCount", 0, "fast", "ignored, as QPP is off", 0},
		{"snmpperiod", -1, "fast", "ignored, as there is no --snmplog", -1},
	} {
		for _, role := range []Role{Client, Server} {
			c, err := checked(role, func(c *Config) { c.Mode = tt.mode; setInt(c, tt.name, tt.value) })
			if err != nil || len(c.Warnings) != 1 || getInt(&c, tt.name) != tt.inForce {
				t.Errorf("%v --%s %d: %d in force, %q, %v", role, tt.name, tt.value, getInt(&c, tt.name), c.Warnings, err)
				continue
			}
			testkit.Contains(t, c.Warnings[0], "--"+tt.name, strconv.Itoa(tt.value)+" is out of range", tt.want)
		}
	}
}

func TestCheckAlias(t *testing.T) {
	for _, role := range []Role{Client, Server} {
		c, err := checked(role, func(c *Config) { c.Crypt = "aes-256" })
		standard := Default(role)
		if err != nil || c.Crypt != "aes" || c.Fingerprint() != standard.Fingerprint() || len(c.Warnings) != 1 {
			t.Errorf("%v: %q, %q, %v", role, c.Crypt, c.Warnings, err)
			continue
		}
		testkit.Contains(t, c.Warnings[0], `--crypt (JSON "crypt"): "aes-256" is another name of aes`)
	}
	for name, target := range crypt.Aliases() {
		if slices.Contains(crypt.Names(), name) || !slices.Contains(crypt.Names(), target) {
			t.Errorf("%s for %s", name, target)
		}
	}
}

func getInt(c *Config, name string) int {
	for _, s := range settings(c) {
		if s.Name == name {
			return s.Value().(int)
		}
	}
	return refused
}

func setInt(c *Config, name string, value int) {
	for _, s := range settings(c) {
		if s.Name == name {
			s.value.set(strconv.Itoa(value))
		}
	}
}

func TestCheckCombinations(t *testing.T) {
	for _, tt := range []struct {
		name   string
		role   Role
		change func(*Config)
		want   string // of the error; "" for none
	}{
		{"256 shards", Both, func(c *Config) { c.DataShard, c.ParityShard = 200, 56 }, ""},
		{"257 shards", Both, func(c *Config) { c.DataShard, c.ParityShard = 200, 57 }, "--datashard"},
		{"no FEC", Both, func(c *Config) { c.DataShard, c.ParityShard = 0, 0 }, ""},
		{"one sort of shards", Both, func(c *Config) { c.ParityShard = 0 }, ""},
		{"buffers equal", Both, func(c *Config) { c.StreamBuf, c.SmuxBuf = 1000, 1000 }, ""},
		{"streambuf above smuxbuf", Both, func(c *Config) { c.StreamBuf, c.SmuxBuf = 1001, 1000 }, "--streambuf"},
		{"long keepalive", Both, func(c *Config) { c.KeepAlive = 3600 }, ""},
		{"other end's settings", Client, func(c *Config) { c.Listen, c.Target = "x", "" }, ""},
		{"other end's settings", Server, func(c *Config) { c.LocalAddr, c.RemoteAddr, c.Conn = "", "x", 0 }, ""},
		{"no key", Both, func(c *Config) { c.Key = "" }, "--key"},
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
		{Both, func(c *Config) { c.Key = DefaultKey }, "default key"},
		{Both, func(c *Config) { c.Crypt = "none" }, "encrypts nothing"},
		{Both, func(c *Config) { c.Crypt = "null" }, "encrypts nothing"},
		{Both, func(c *Config) { c.Crypt = "xor" }, "keeps nothing secret"},
		{Client, func(c *Config) { c.AutoExpire, c.ScavengeTTL = 300, 301 }, "--scavengettl 301 is above --autoexpire 300"},
		{Both, func(c *Config) { c.Key = "k\r" }, "begins or ends with white space"},
		{Both, func(c *Config) { c.Key = "\u3000k" }, "begins or ends with white space"},
		{Both, func(c *Config) { c.Key = "k\x00k" }, "has a control character"},
		{Both, func(c *Config) { c.Key = "\xc3\xdc\xc2\xeb" }, "is not UTF-8"},
		{Both, func(c *Config) { c.Key = "\ufffd\ufffd" }, "has the character U+FFFD"},
		{Server, func(c *Config) { c.Target = "/no/such/dir/s" }, "no directory /no/such/dir yet"},
		{Both, func(c *Config) { c.SnmpLog = "/no/such/dir/2006.csv" }, "no directory /no/such/dir yet"},
		{Both, func(c *Config) { c.SnmpLog = "check_test.go/2006.csv" }, "no directory check_test.go yet"},
		{Client, func(c *Config) { c.LocalAddr = "socket" }, "taken for the path of a unix socket"},
		{Server, func(c *Config) { c.Target = ":80" }, "names no host"},
		{Both, func(c *Config) { c.TCP, c.KeepAlive = true, 31 }, "--keepalive 31 is too long with --tcp"},
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
	// The default of --scavengettl, streams that are never cut, and counters that are not written cause no warning.
	for _, change := range []func(*Config){
		func(c *Config) { c.AutoExpire = 600 },
		func(c *Config) { c.SnmpLog = "2006.csv" },
		func(c *Config) { c.SnmpLog, c.SnmpPeriod = "/no/such/dir/2006.csv", 0 },
		func(c *Config) { c.AutoExpire = 300 },
		func(c *Config) { c.AutoExpire, c.ScavengeTTL = 300, 300 },
		func(c *Config) { c.AutoExpire, c.ScavengeTTL = 300, -1 },
		func(c *Config) { c.ScavengeTTL = 1000 },
	} {
		if c, err := checked(Client, change); len(c.Warnings) > 0 || err != nil {
			t.Errorf("autoexpire %d, scavengettl %d, snmplog %q: %q, %v", c.AutoExpire, c.ScavengeTTL, c.SnmpLog, c.Warnings, err)
		}
	}
}

func TestCheckAddresses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		role   Role
		change func(*Config, string)
		good   []string
		bad    []string
	}{
		{
			Client, func(c *Config, a string) { c.LocalAddr = a },
			[]string{":12948", ":0", "127.0.0.1:1", "[::1]:80", "localhost:http", filepath.Join(dir, "s"), "s.sock", "./s"},
			[]string{"", ":", "host:", ":65536", ":-1", ":x y", "::1:80", "[::1:80", "/no/such/dir/s", "1:2:3", "@", filepath.Join(dir, "file", "s"), "a\x00b", "a\nb", "12948", "tcp://:1"},
		},
		{
			Server, func(c *Config, a string) { c.Target = a },
			[]string{"127.0.0.1:12948", "[::1]:1", "example.org:65535", filepath.Join(dir, "s"), "/no/such/dir/s"},
			[]string{"", "host:0", "host:", "host:65536", "::1:80", "@", "8000", "http://127.0.0.1:80", "unix:///run/s"},
		},
		{
			Client, func(c *Config, a string) { c.RemoteAddr = a },
			[]string{"vps:29900", "1.2.3.4:1-2", "[::1]:29900", "[2001:db8::1]:1-65535"},
			[]string{"", "vps", ":29900", ":1-2", "vps:0", "vps:2-1", "::1:29900", "/run/s", "29900", "http://vps:29900", "https://vps"},
		},
		{
			Server, func(c *Config, a string) { c.Listen = a },
			[]string{":29900", "0.0.0.0:1-2", "[::]:29900", "[fe80::1%lo]:1", "127.0.0.1:65535"},
			[]string{"", "29900", ":0", ":2-1", "::29900x", "[x]:29900", "[::1::2]:1", "udp://:29900"},
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

// The system's limit is reported before anything is opened, and paths within it work.
func TestCheckUnixLength(t *testing.T) {
	t.Chdir(t.TempDir())
	long := strings.Repeat("x", address.MaxUnixPath)
	for _, role := range []Role{Client, Server} {
		set := func(c *Config, addr string) { c.LocalAddr, c.Target = addr, addr }
		if _, err := checked(role, func(c *Config) { set(c, long) }); err != nil {
			t.Error(err)
		}
		_, err := checked(role, func(c *Config) { set(c, long+"x") })
		if err == nil {
			t.Fatal("taken")
		}
		testkit.Contains(t, err.Error(), fmt.Sprintf("has %d bytes, valid for the path of a unix socket are %d at most", address.MaxUnixPath+1, address.MaxUnixPath))
		_, err = checked(role, func(c *Config) { set(c, "@"+long) })
		switch {
		case !address.HasAbstract && err == nil:
			t.Error("an abstract name was taken")
		case address.HasAbstract && err != nil:
			t.Error(err)
		}
		if _, err = checked(role, func(c *Config) { set(c, "@x"+long) }); err == nil {
			t.Error("a long abstract name was taken")
		}
	}
	lis, err := net.Listen("unix", long)
	if err != nil {
		t.Fatal(err)
	}
	lis.Close()
}

func TestCheckSocketMode(t *testing.T) {
	for _, tt := range []struct{ addr, mode, want string }{
		{"s", "0600", ""},
		{"s", "", ""},
		{":1", "", ""},
		{"s", "0800", "valid values are 0001 to 0777"},
		{"s", "rw", "valid values are 0001 to 0777"},
		{"s", "-1", "valid values are 0001 to 0777"},
		{"s", "0", "valid values are 0001 to 0777"},
		{"s", "1777", "valid values are 0001 to 0777"},
		{":1", "0600", "is not the path of a unix socket"},
		{"@s", "0600", "is not the path of a unix socket"},
	} {
		if runtime.GOOS == "windows" && tt.mode != "" {
			tt.want = "--socketmode"
		}
		_, err := checked(Client, func(c *Config) { c.LocalAddr, c.SocketMode = tt.addr, tt.mode })
		if (err == nil) != (tt.want == "") {
			t.Errorf("%v: %v", tt, err)
		} else if err != nil {
			testkit.Contains(t, err.Error(), tt.want)
		}
	}
}

func TestConfigError(t *testing.T) {
	if got := (&Error{Flag: "--x", Reason: "why"}).Error(); got != "--x: why" {
		t.Error(got)
	}
	if got := (&Error{Flag: "--x", Key: "y", Reason: "why"}).Error(); got != `--x (JSON "y"): why` {
		t.Error(got)
	}
}

func FuzzCheckStream(f *testing.F) {
	for _, seed := range []string{":12948", "[::1]:80", "/run/s", "s", "a:b:c", ":", "x:-1", "\x00:1", "@s", "@", "[::1%25]:1", ":+1", "host:0x10"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		var c Config
		bad := false
		c.checkStream("target", addr, 1, func(string, string, ...any) { bad = true })
		if bad || address.IsUnixPath(addr) {
			return
		}
		_, port, err := net.SplitHostPort(addr)
		if n, err2 := net.LookupPort("tcp", port); err != nil || err2 != nil || n < 1 || n > 65535 {
			t.Errorf("%q was taken: %v, %d, %v", addr, err, n, err2)
		}
	})
}
