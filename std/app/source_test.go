package app

import (
	"testing"

	"kcptun/std/config"
	"kcptun/std/testkit"
)

// Each setting knows where its value comes from, and the last source wins.
func TestSources(t *testing.T) {
	unsetKey(t)
	t.Setenv(config.KeyEnv, "from the environment")
	file := jsonFile(t, `{"MTU":1300,"crypt":null,"rcvwnd":1024}`)
	cfg, err := parse(config.Server, "--mtu", "1200", "--sndwnd=1024", "--crypt", "aes", "--ds", "5", "--interval", "15", "-c", file)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]config.Source{
		"key": config.FromEnvironment, "mtu": config.FromFile, "sndwnd": config.FromFlag, "rcvwnd": config.FromFile, "crypt": config.FromFlag, "datashard": config.FromFlag,
		"parityshard": config.FromDefault, "interval": config.FromMode, "listen": config.FromDefault,
	} {
		if got := cfg.Source(name); got != want {
			t.Errorf("%s comes from %s, want %s", name, got, want)
		}
	}
}

// A file that overrides other values says so once; equal values are not mentioned.
func TestOverrideIsNamed(t *testing.T) {
	unsetKey(t)
	t.Setenv(config.KeyEnv, "from the environment")
	file := jsonFile(t, `{"mtu":1300,"key":"k","SNDWND":9,"rcvwnd":1024,"quiet":true}`)
	for want, args := range map[string][]string{
		"the file that -c names overrides KCPTUN_KEY":                 {"-c", file, "--rcvwnd", "1024", "--quiet"},
		"the file that -c names overrides KCPTUN_KEY, --mtu":          {"-c", file, "--mtu=1200"},
		"the file that -c names overrides --key, --sndwnd":            {"-c", file, "--sndwnd=10", "--key", "other"},
		"the file that -c names overrides KCPTUN_KEY, --mtu, --quiet": {"--quiet=false", "--mtu=1350", "-c", file},
	} {
		cfg, err := parse(config.Server, args...)
		if err != nil || len(cfg.Warnings) != 1 || cfg.Warnings[0] != want {
			t.Errorf("%q: %q, %v", args, cfg.Warnings, err)
		}
	}
}

// A client must be told where its server is.
func TestServerIsNeeded(t *testing.T) {
	unsetKey(t)
	_, err := parseAlone(config.Client)
	if err == nil {
		t.Fatal("a client without a server was taken")
	}
	testkit.Contains(t, err.Error(), `--remoteaddr (JSON "remoteaddr"): is missing`, "vps:29900", "host:port")
	for _, args := range [][]string{{"-r", "vps:29900"}, {"-c", jsonFile(t, `{"remoteaddr":"vps:29900"}`)}} {
		if _, err := parseAlone(config.Client, args...); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// Values that were given win over mode auto, even if they equal the default.
func TestModeAutoKeepsWhatWasGiven(t *testing.T) {
	unsetKey(t)
	t.Setenv(config.KeyEnv, "a key")
	cfg, err := parse(config.Client, "--mode=auto", "--sndwnd=128", "--ps=3", "--smuxbuf=4194304")
	if err != nil || cfg.SndWnd != 128 || cfg.RcvWnd != config.MaxAutoWindow || cfg.DataShard != 10 || cfg.ParityShard != 3 || cfg.SmuxBuf != 4<<20 || cfg.StreamBuf != 2<<20 {
		t.Errorf("%+v, %v", cfg, err)
	}
	if len(cfg.Warnings) != 1 || cfg.Warnings[0] != "mode auto would choose for itself, and keeps what was given: --parityshard 3, --sndwnd 128, --smuxbuf 4194304" {
		t.Errorf("%q", cfg.Warnings)
	}
	if got := [2]config.Source{cfg.Source("rcvwnd"), cfg.Source("sndwnd")}; got != [2]config.Source{config.FromMode, config.FromFlag} {
		t.Error(got)
	}
	cfg, err = parse(config.Server, "--mode=auto", "-c", jsonFile(t, `{"datashard":10}`))
	if err != nil || cfg.DataShard != 10 || cfg.ParityShard != 3 || cfg.SndWnd != config.MaxAutoWindow {
		t.Errorf("%+v, %v", cfg, err)
	}
}

// While it runs, mode auto decides only about what nobody has set.
func TestAutoDecides(t *testing.T) {
	for _, c := range []struct {
		args                    []string
		window, buffers, parity bool
	}{
		{[]string{"--mode=auto"}, true, true, true},
		{[]string{"--mode=fast3"}, false, false, false},
		{[]string{"--mode=auto", "--rcvwnd=512"}, false, true, true},
		{[]string{"--mode=auto", "--smuxbuf=4194304"}, true, false, true},
		{[]string{"--mode=auto", "--ps=0"}, true, true, false},
		{[]string{"--mode=auto", "--ds=10"}, true, true, false},
	} {
		cfg, err := parse(config.Client, c.args...)
		if err != nil || cfg.FollowsWindow() != c.window || cfg.FollowsBuffers() != c.buffers || cfg.ChoosesParity() != c.parity {
			t.Errorf("%q: window %t, buffers %t, parity %t, %v", c.args, cfg.FollowsWindow(), cfg.FollowsBuffers(), cfg.ChoosesParity(), err)
		}
	}
}
