package address

import (
	"net"
	"slices"
	"strings"
	"testing"

	"kcptun/std/testkit"
)

func TestParseMultiPort(t *testing.T) {
	for addr, want := range map[string]MultiPort{
		"vps:29900":            {"vps", 29900, 29900},
		":29900":               {"", 29900, 29900},
		"vps:3000-4000":        {"vps", 3000, 4000},
		"1.2.3.4:1-65535":      {"1.2.3.4", 1, 65535},
		"vps:7-7":              {"vps", 7, 7},
		"[::1]:29900":          {"[::1]", 29900, 29900},
		"[fe80::1%eth0]:1-2":   {"[fe80::1%eth0]", 1, 2},
		"[::]:65535":           {"[::]", 65535, 65535},
		"a-host.example:10-11": {"a-host.example", 10, 11},
		"vps:00080":            {"vps", 80, 80},
	} {
		got, err := ParseMultiPort(addr)
		if err != nil || *got != want {
			t.Errorf("ParseMultiPort(%q) = %+v, %v; want %+v", addr, got, err, want)
		}
	}
}

func TestParseMultiPortRefuses(t *testing.T) {
	for addr, reason := range map[string]string{
		"":                   "no port",
		"vps":                "no port",
		"[::1]":              "in brackets",
		"::1:29900":          "in brackets",
		"[::1:29900":         "in brackets",
		"::1]:29900":         "in brackets",
		"[::1]x:29900":       "in brackets",
		"[[::1]]:29900":      "in brackets",
		"vps:":               "1 to 65535",
		"vps:0":              "1 to 65535",
		"vps:65536":          "1 to 65535",
		"vps:0-10":           "1 to 65535",
		"vps:1-65536":        "1 to 65535",
		"vps:99999999999999": "1 to 65535",
		"vps:+80":            "1 to 65535",
		"vps:-80":            "1 to 65535",
		"vps:80-":            "1 to 65535",
		"vps:80--90":         "1 to 65535",
		"vps:80-90-100":      "1 to 65535",
		"vps: 80":            "1 to 65535",
		"vps:80 ":            "1 to 65535",
		"vps:80 - 90":        "1 to 65535",
		"vps:8_0":            "1 to 65535",
		"vps:0x50":           "1 to 65535",
		"vps:http":           "1 to 65535",
		"vps:4000-3000":      "after its end",
	} {
		got, err := ParseMultiPort(addr)
		if err == nil {
			t.Errorf("ParseMultiPort(%q) = %+v, want an error", addr, got)
			continue
		}
		testkit.Contains(t, err.Error(), reason)
	}
}

func TestMultiPortAddresses(t *testing.T) {
	mp, err := ParseMultiPort("[::1]:3000-3004")
	if err != nil {
		t.Fatal(err)
	}
	all := mp.All()
	if want := []string{"[::1]:3000", "[::1]:3001", "[::1]:3002", "[::1]:3003", "[::1]:3004"}; !slices.Equal(all, want) {
		t.Errorf("All() = %v", all)
	}
	seen := map[string]bool{}
	testkit.Eventually(t, "Pick gives every port", func() bool {
		addr := mp.Pick()
		if !slices.Contains(all, addr) {
			t.Fatalf("Pick() = %s", addr)
		}
		seen[addr] = true
		return len(seen) == len(all)
	})
}

func TestIsUnixPath(t *testing.T) {
	for addr, want := range map[string]bool{
		"/run/kcptun.sock": true, "./s": true, "kcptun.sock": true, `C:\kcptun.sock`: true, "/run/a:1": true, "s": true, "": true,
		":12948": false, "127.0.0.1:12948": false, "[::1]:80": false, "host:http": false, "::1": false,
	} {
		if got := IsUnixPath(addr); got != want {
			t.Errorf("IsUnixPath(%q) = %t", addr, got)
		}
	}
}

func FuzzMultiPort(f *testing.F) {
	for _, seed := range []string{"vps:29900", "[::1]:1-3", ":1-65535", "a:b:c", "[]:1", "x:0", "x:2-1", "\x00:1", "x:-1-2", "[[]:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		mp, err := ParseMultiPort(addr)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: more than one line: %v", addr, err)
			}
			return
		}
		if mp.MinPort < 1 || mp.MaxPort > 65535 || mp.MinPort > mp.MaxPort || !strings.HasPrefix(addr, mp.Host+":") {
			t.Fatalf("%q became %+v", addr, mp)
		}
		all := mp.All()
		if uint64(len(all)) != mp.MaxPort-mp.MinPort+1 {
			t.Errorf("%q has %d addresses", addr, len(all))
		}
		for _, one := range []string{mp.Pick(), all[0], all[len(all)-1]} {
			again, err := ParseMultiPort(one)
			if err != nil || again.Host != mp.Host || again.MinPort != again.MaxPort || again.MinPort < mp.MinPort || again.MaxPort > mp.MaxPort {
				t.Errorf("%q gave %q, which is %+v, %v", addr, one, again, err)
			}
			if _, _, err := net.SplitHostPort(one); err != nil {
				t.Errorf("%q gave %q, which package net does not take: %v", addr, one, err)
			}
		}
	})
}
