package e2e_test

import (
	"strings"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// The default of the older release is smux 1, so the version is always given.
var (
	smux1 = []string{"--smuxver", "1"}
	smux2 = []string{"--smuxver", "2"}
)

func with(flags []string, more string) []string {
	return append(flags[:len(flags):len(flags)], strings.Fields(more)...)
}

// oldCases are plans that an older release supports.
func oldCases() map[string]plan {
	cases := map[string]plan{
		"smux 1":             {both: smux1},
		"smux 1, no snappy":  {both: with(smux1, "--nocomp")},
		"smux 2":             {both: smux2},
		"smux 2, no snappy":  {both: with(smux2, "--nocomp")},
		"no FEC":             {both: with(smux2, "--datashard 0 --parityshard 0")},
		"FEC differs":        {both: smux2, server: []string{"--ds", "5", "--ps", "1"}, client: []string{"--ds", "20", "--ps", "4"}},
		"FEC at server only": {both: smux2, client: []string{"--ds", "0", "--ps", "0"}},
		"FEC at client only": {both: smux2, server: []string{"--ds", "0", "--ps", "0"}},
		"four sessions":      {both: smux2, client: []string{"--conn", "4"}},
		"mtu 1500":           {both: with(smux2, "--mtu 1500")},
		"mtu 1500, none":     {both: with(smux2, "--mtu 1500 --crypt none --ds 0 --ps 0")},
		"small mtu":          {both: with(smux2, "--mtu 400")},
		"frames of 64 KiB":   {both: smux2}, // from our end, see below
		"keepalive 1":        {both: with(smux2, "--keepalive 1")},
		"large windows":      {both: with(smux2, "--sndwnd 2048 --rcvwnd 2048")},
		"loss 5 %":           {both: with(smux2, "--mode fast3"), relay: &lab.Fault{Loss: 0.05}},
		"loss 5 %, smux 1":   {both: with(smux1, "--mode fast3"), relay: &lab.Fault{Loss: 0.05}},
		"loss 5 %, no FEC":   {both: with(smux2, "--mode fast3 --ds 0 --ps 0"), relay: &lab.Fault{Loss: 0.05}},
		"bad network": {both: with(smux2, "--mode fast3"), relay: &lab.Fault{
			Loss: 0.05, Burst: 3, Duplicate: 0.05, Corrupt: 0.02, Reorder: 0.1, Delay: 10 * time.Millisecond}},
		// At our end; the older one keeps its own mode.
		"auto":                    {both: smux2},
		"auto, smux 1, no snappy": {both: with(smux1, "--nocomp")},
		"auto, no FEC there":      {both: with(smux2, "--ds 0 --ps 0")},
		"auto, with FEC":          {both: with(smux2, "--ds 5 --ps 2"), relay: &lab.Fault{Loss: 0.05}},
		"auto, loss 5 %":          {both: smux2, relay: &lab.Fault{Loss: 0.05}},
		"auto, bad network": {both: smux1, relay: &lab.Fault{
			Loss: 0.05, Burst: 3, Duplicate: 0.05, Corrupt: 0.02, Reorder: 0.1, Delay: 10 * time.Millisecond}},
	}
	for _, name := range strings.Fields("aes aes-128 aes-192 salsa20 blowfish twofish cast5 3des tea xtea xor sm4 none") {
		cases["crypt "+name] = plan{both: with(smux2, "--crypt "+name)}
	}
	for _, name := range strings.Fields("fast3 fast2 fast normal") {
		cases["mode "+name] = plan{both: with(smux2, "--mode "+name)}
	}
	for _, name := range strings.Fields("fast3 fast2 normal manual") { // see addTheirs
		cases[autoMeets+name] = plan{both: smux2, relay: &lab.Fault{Loss: 0.05}}
	}
	for _, theirs := range strings.Fields("0 1 2 20") {
		cases[autoFEC+theirs] = plan{both: smux2}
		cases[autoFEC+theirs+", smux 1"] = plan{both: smux1}
	}
	for version, smux := range map[string][]string{"smux 1": smux1, "smux 2": smux2} {
		cases["auto, loss 5 %, no FEC, no snappy, "+version] = plan{both: with(smux, "--ds 0 --ps 0 --nocomp"), relay: &lab.Fault{Loss: 0.05}}
	}
	cases["mode manual"] = plan{both: with(smux2, "--mode manual --nodelay 1 --interval 15 --resend 2 --nc 1")}
	return cases
}

// autoMeets begins the names of cases in which the older end has the mode that follows.
const autoMeets = "auto, the other end in "

// autoFEC begins the names of cases in which our end, in mode auto, has groups of 10 and 3, and
// the older end smaller ones, larger ones or none. It takes parity of ours for data until it has
// learnt the shape.
const autoFEC = "auto, groups of 10 here and there of "

// oldShort are the cases that -short keeps.
var oldShort = map[string]bool{"smux 1": true, "smux 2, no snappy": true, "loss 5 %": true, "crypt salsa20": true, "auto, loss 5 %": true}

// Our client with the older server, and the older client with our server.
func TestOlderRelease(t *testing.T) {
	t.Parallel()
	oldProgram(t, lab.OldServer)
	oldProgram(t, lab.OldClient)
	for _, side := range []string{"server", "client"} {
		for name, p := range oldCases() {
			t.Run("old "+side+", "+name, func(t *testing.T) {
				t.Parallel()
				if testing.Short() && !oldShort[name] {
					t.Skip("not with -short")
				}
				p.oldSide = side
				if name == "frames of 64 KiB" {
					p.addOurs("--framesize", "65535")
				}
				if strings.HasPrefix(name, "auto") {
					p.addOurs("--mode", "auto")
				}
				theirs, unlike := strings.CutPrefix(strings.TrimSuffix(name, ", smux 1"), autoFEC)
				if unlike {
					p.addOurs("--ds", "10", "--ps", "3")
					p.addTheirs("--ds", theirs, "--ps", theirs)
				}
				if mode, ok := strings.CutPrefix(name, autoMeets); ok {
					p.addTheirs("--mode", mode)
				}
				tn := start(t, p)
				if unlike { // alone, so that all packets are full, and parity looks like data
					must(t, tn.pull(t, 2*mib))
					must(t, tn.push(t, 2*mib))
				}
				tn.tryOld(t, name)
			})
		}
	}
}

// addOurs adds flags to the end that is not the older release.
func (p *plan) addOurs(flags ...string) {
	if p.oldSide == "server" {
		p.client = append(p.client, flags...)
	} else {
		p.server = append(p.server, flags...)
	}
}

// addTheirs adds flags to the end that is the older release.
func (p *plan) addTheirs(flags ...string) {
	if p.oldSide == "server" {
		p.server = append(p.server, flags...)
	} else {
		p.client = append(p.client, flags...)
	}
}

// tryOld moves data over several streams concurrently.
func (tn *tunnel) tryOld(t *testing.T, name string) {
	t.Helper()
	concurrently(t, []func() error{
		func() error { return tn.push(t, 2*mib) },
		func() error { return tn.pull(t, 2*mib) },
		func() error { return tn.push(t, 64*kib) },
		func() error { return tn.pull(t, 64*kib) },
		func() error { _, err := lab.Echo(patient(t), tn.dial, 20, 1000); return err },
	})
	if tn.relay != nil {
		if c := tn.relay.Counters(lab.Up); c.Lost == 0 {
			t.Errorf("%s: the relay lost nothing: %+v", name, c)
		}
	}
	if lines := tn.server.lines("client differs"); len(lines) > 0 {
		t.Errorf("the ends agree, yet the server says: %q", lines)
	}
	tn.mustCloseStreams(t)
}

// mustCloseStreams waits until our end has no streams left, before the older release is
// killed. Otherwise our end would keep them for closewait.
func (tn *tunnel) mustCloseStreams(t *testing.T) {
	t.Helper()
	ours := tn.server
	if ours.old {
		ours = tn.client
	}
	wait(t, "the streams of our "+ours.name+" to be closed", func() bool {
		return len(ours.lines(`msg="stream opened"`)) == len(ours.lines(`msg="stream closed"`))
	})
}

// Many streams, each closed by one end or the other.
func TestOlderReleaseChurn(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"server", "client"} {
		t.Run("old "+side, func(t *testing.T) {
			t.Parallel()
			tn := start(t, plan{oldSide: side, both: smux2})
			for range 10 {
				var calls []func() error
				for i := range int64(10) {
					calls = append(calls,
						func() error { return tn.pull(t, 10*kib+i) },
						func() error { return tn.push(t, 10*kib+i) })
				}
				concurrently(t, calls)
			}
			tn.mustCloseStreams(t)
		})
	}
}
