package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// Mode auto speaks KCP's wire protocol, so it works whichever engine the other end has.
func TestAuto(t *testing.T) {
	t.Parallel()
	auto := []string{"--mode", "auto"}
	add := func(more ...string) []string { return append(auto[:len(auto):len(auto)], more...) }
	loss := &lab.Fault{Loss: 0.03}
	cases := map[string]plan{
		"both":                   {both: auto},
		"smux 1":                 {both: add("--smuxver", "1")},
		"smux 1, no snappy, gcm": {both: add("--smuxver", "1", "--nocomp", "--crypt", "aes-128-gcm")},
		"null, no snappy":        {both: add("--nocomp", "--crypt", "null")},
		"QPP":                    {both: add("--QPP")},
		"small mtu":              {both: add("--mtu", "300")},
		"largest mtu":            {both: add("--mtu", "1500")},
		"small windows":          {both: add("--sndwnd", "32", "--rcvwnd", "32")},
		"small buffers":          {both: add("--smuxbuf", "65536", "--streambuf", "32768")},
		"with FEC":               {both: add("--ds", "5", "--ps", "2")},
		"four sessions":          {both: auto, client: []string{"--conn", "4"}},
		"expiring sessions":      {both: auto, client: []string{"--autoexpire", "1"}},
		"many cores":             {both: auto, env: []string{"GOMAXPROCS=8"}, client: []string{"--conn", "8"}},
	}
	first := freePorts(t, 4)
	cases["port range"] = plan{both: auto, listen: fmt.Sprintf("127.0.0.1:%d-%d", first, first+3), client: []string{"--conn", "4"}}
	bare := []string{"--ds", "0", "--ps", "0", "--smuxver", "1", "--nocomp"}
	cases["server, client fast3, no FEC, smux 1, no snappy"] = plan{both: bare, server: auto, client: []string{"--mode", "fast3"}, relay: loss}
	cases["client, server fast3, no FEC, smux 1, no snappy"] = plan{both: bare, client: auto, server: []string{"--mode", "fast3"}, relay: loss}
	for _, mode := range []string{"fast3", "fast2", "fast", "normal", "manual"} { // with FEC 10/3, which auto does not use here
		cases["server, client "+mode] = plan{server: auto, client: []string{"--mode", mode}, relay: loss}
		cases["client, server "+mode] = plan{client: auto, server: []string{"--mode", mode}, relay: loss}
	}
	for name, p := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && name != "both" && name != "client, server fast" {
				t.Skip("not with -short")
			}
			tn := start(t, p)
			tn.exchange(t, 2*mib)
			tn.pulls(t, 8, 64*kib)
			tn.mustOpenAll(t)
			if lines := tn.server.lines("client differs"); len(lines) > 0 {
				t.Errorf("the ends agree, yet the server says: %s", lines)
			}
		})
	}
}

// An upload goes on while the server sends nothing but acknowledgements. The link used to
// drop the news that the client hears the server, because data had been sent since. Such an
// upload stopped at 256 segments until the next keepalive.
func TestAutoUploadAlone(t *testing.T) {
	t.Parallel()
	tn := start(t, plan{both: []string{"--mode", "auto", "--nocomp", "--keepalive", "3600"}, relay: &lab.Fault{Delay: 25 * time.Millisecond}})
	must(t, tn.push(t, 4*mib))
}

// Somebody types, and then a download begins: it gets a session of its own, which was open
// before. It used to share the one of the keystrokes.
func TestDownloadBesideTyping(t *testing.T) {
	t.Parallel()
	tn := start(t, plan{both: []string{"--mode", "auto"}, relay: &lab.Fault{Delay: 10 * time.Millisecond}})
	keys, err := lab.OpenPinger(patient(t), tn.dial, 64)
	must(t, err)
	defer keys.Close()
	wait(t, "another session is open at both ends", func() bool {
		_, err := keys.Ping()
		must(t, err)
		return len(tn.client.lines("session opened")) == 2 && len(tn.server.lines("session opened")) == 2
	})
	must(t, tn.pull(t, 2*mib))
	if from := fields(t, tn.server.mustLogTimes(t, 2, "stream opened"), "from"); len(from) != 2 {
		t.Errorf("the streams came from %v, want two sessions", from)
	}
	_, err = keys.Ping()
	must(t, err)
}
