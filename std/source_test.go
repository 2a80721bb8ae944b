package std

import (
	"strings"
	"testing"

	"kcptun/std/testkit"
)

// Each setting knows where its value comes from, and the last source wins.
func TestSources(t *testing.T) {
	unsetKey(t)
	t.Setenv(KeyEnv, "from the environment")
	file := jsonFile(t, `{"MTU":1300,"crypt":null,"rcvwnd":1024}`)
	cfg, err := parse(Server, "--mtu", "1200", "--sndwnd=1024", "--crypt", "aes", "--ds", "5", "--interval", "15", "-c", file)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Source{
		"key": FromEnvironment, "mtu": FromFile, "sndwnd": FromFlag, "rcvwnd": FromFile, "crypt": FromFlag, "datashard": FromFlag,
		"parityshard": FromDefault, "interval": FromMode, "listen": FromDefault,
	} {
		if got := cfg.source(name); got != want {
			t.Errorf("%s comes from %s, want %s", name, got, want)
		}
	}
}

// A file that overrides what was given otherwise says so once; equal values are no news.
func TestOverrideIsNamed(t *testing.T) {
	unsetKey(t)
	t.Setenv(KeyEnv, "from the environment")
	file := jsonFile(t, `{"mtu":1300,"key":"k","SNDWND":9,"rcvwnd":1024,"quiet":true}`)
	for want, args := range map[string][]string{
		"the file that -c names overrides KCPTUN_KEY":                 {"-c", file, "--rcvwnd", "1024", "--quiet"},
		"the file that -c names overrides KCPTUN_KEY, --mtu":          {"-c", file, "--mtu=1200"},
		"the file that -c names overrides --key, --sndwnd":            {"-c", file, "--sndwnd=10", "--key", "other"},
		"the file that -c names overrides KCPTUN_KEY, --mtu, --quiet": {"--quiet=false", "--mtu=1350", "-c", file},
	} {
		cfg, err := parse(Server, args...)
		if err != nil || len(cfg.Warnings) != 1 || cfg.Warnings[0] != want {
			t.Errorf("%q: %q, %v", args, cfg.Warnings, err)
		}
	}
}

// A client has to be told where its server is.
func TestServerIsNeeded(t *testing.T) {
	unsetKey(t)
	_, err := parseAlone(Client)
	if err == nil {
		t.Fatal("a client without a server was taken")
	}
	testkit.Contains(t, err.Error(), `--remoteaddr (JSON "remoteaddr"): is missing`, "vps:29900", "host:port")
	for _, args := range [][]string{{"-r", "vps:29900"}, {"-c", jsonFile(t, `{"remoteaddr":"vps:29900"}`)}} {
		if _, err := parseAlone(Client, args...); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// The file of the other end is refused, one for both ends is not.
func TestForeignFile(t *testing.T) {
	for _, tt := range []struct {
		role Role
		text string
		want string // of the error; "" for none
	}{
		{Client, `{"listen":":1","target":"x:1"}`, `this is the file of a server, as it has "listen", "target"; a client has localaddr, remoteaddr`},
		{Client, `{"TARGET":"x:1","key":"k"}`, `as it has "TARGET"`},
		{Client, `{"listen":":1","remoteaddr":"x:1"}`, ""},
		{Client, `{"closewait":30}`, ""},
		{Server, `{"localaddr":":1","remoteaddr":"x:1"}`, `this is the file of a client, as it has "localaddr", "remoteaddr"; a server has listen, target`},
		{Server, `{"remoteaddr":"x:1","listen":":1"}`, ""},
		{Server, `{"conn":4}`, ""},
	} {
		c := DefaultConfig(tt.role)
		err := c.parseJSON(tt.role, []byte(tt.text))
		if (err == nil) != (tt.want == "") {
			t.Errorf("%v %s: %v", tt.role, tt.text, err)
		} else if err != nil {
			testkit.Contains(t, err.Error(), tt.want)
		}
	}
}

// Usual slips in addresses are answered with what was meant.
func TestMisreadAddresses(t *testing.T) {
	for _, tt := range []struct {
		role   Role
		change func(*Config)
		want   string
	}{
		{Client, func(c *Config) { c.LocalAddr = "2222" }, `--localaddr (JSON "localaddr"): "2222" is a port without a host, valid is host:port: was "127.0.0.1:2222" meant?`},
		{Client, func(c *Config) { c.RemoteAddr = "29900" }, `was "HOST:29900" meant?`},
		{Client, func(c *Config) { c.RemoteAddr = "http://vps:29900" }, `"http://vps:29900" begins with http://, and addresses here have no scheme, valid is host:port`},
		{Server, func(c *Config) { c.Target = "8000" }, `--target (JSON "target"): "8000" is a port without a host, valid is host:port: was "127.0.0.1:8000" meant?`},
		{Server, func(c *Config) { c.Target = "unix:///run/x" }, "begins with unix://"},
		{Server, func(c *Config) { c.Listen = "29900" }, `was ":29900" meant?`},
		{Server, func(c *Config) { c.Listen = "udp://:29900" }, "begins with udp://"},
		{both, func(c *Config) { c.Key = PlaceholderKey }, "--key (JSON \"key\"): is the placeholder of the example files"},
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

// What was given wins over mode auto, also where it is the default.
func TestModeAutoKeepsWhatWasGiven(t *testing.T) {
	unsetKey(t)
	t.Setenv(KeyEnv, "a key")
	cfg, err := parse(Client, "--mode=auto", "--sndwnd=128", "--ps=3", "--smuxbuf=4194304")
	if err != nil || cfg.SndWnd != 128 || cfg.RcvWnd != maxAutoWindow || cfg.DataShard != 10 || cfg.ParityShard != 3 || cfg.SmuxBuf != 4<<20 || cfg.StreamBuf != 2<<20 {
		t.Errorf("%+v, %v", cfg, err)
	}
	if len(cfg.Warnings) != 1 || cfg.Warnings[0] != "mode auto would choose for itself, and keeps what was given: --parityshard 3, --sndwnd 128, --smuxbuf 4194304" {
		t.Errorf("%q", cfg.Warnings)
	}
	if got := [2]Source{cfg.source("rcvwnd"), cfg.source("sndwnd")}; got != [2]Source{FromMode, FromFlag} {
		t.Error(got)
	}
	cfg, err = parse(Server, "--mode=auto", "-c", jsonFile(t, `{"datashard":10}`))
	if err != nil || cfg.DataShard != 10 || cfg.ParityShard != 3 || cfg.SndWnd != maxAutoWindow {
		t.Errorf("%+v, %v", cfg, err)
	}
}
