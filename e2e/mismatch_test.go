package e2e_test

import (
	"strings"
	"testing"

	"kcptun/e2e/lab"
)

// The server adapts to the client, of any version, and says so.
func TestServerAdapts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags []string // of the client; the server has smux 2 and compresses
		says  []string
	}{
		"nocomp":  {[]string{"--nocomp"}, []string{"client differs in nocomp"}},
		"smuxver": {smux1, []string{"client differs in smuxver"}},
		"both":    {with(smux1, "--nocomp"), []string{"client differs in nocomp", "client differs in smuxver"}},
	} {
		for engine, p := range map[string]plan{
			"fast":               {},
			"auto":               {both: []string{"--mode", "auto"}},
			"older client":       {oldSide: "client"},
			"older client, auto": {oldSide: "client", server: []string{"--mode", "auto"}},
		} {
			t.Run(name+", "+engine, func(t *testing.T) {
				t.Parallel()
				p.client = c.flags
				if p.oldSide != "" && len(c.says) == 1 && name == "nocomp" {
					p.client = with(c.flags, "--smuxver 2")
				}
				tn := start(t, p)
				tn.exchange(t, mib)
				for _, text := range c.says {
					tn.server.mustLog(t, text)
				}
				sessions := len(tn.server.lines("session opened")) // one or two, as the two streams fell
				if lines := tn.server.lines("client differs"); len(lines) != sessions*len(c.says) {
					t.Errorf("the server says %q, want %q for each of %d sessions", lines, c.says, sessions)
				}
				if p.oldSide != "" {
					tn.mustCloseStreams(t)
				}
			})
		}
	}
}

// What an older server does not adapt to is named by our client, with the settings to check.
func TestOlderServerIsExplained(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string]struct{ client, server []string }{
		"nocomp here":     {with(smux2, "--nocomp"), smux2},
		"nocomp there":    {smux2, with(smux2, "--nocomp")},
		"smuxver":         {smux2, smux1},
		"smuxver, nocomp": {with(smux2, "--nocomp"), with(smux1, "--nocomp")},
	} {
		for _, mode := range []string{"fast", "auto"} {
			t.Run(name+", "+mode, func(t *testing.T) {
				t.Parallel()
				tn := start(t, plan{client: with(flags.client, "--mode "+mode), server: with(flags.server, "--keepalive 1"), oldSide: "server"})
				tn.ask(t)
				wait(t, "the client names a setting", func() bool {
					return strings.Contains(tn.client.Log(), "nocomp different") || strings.Contains(tn.client.Log(), "smuxver or nocomp")
				})
			})
		}
	}
}

// QPP settings that differ are named at both ends: nothing else in a log would say why the
// target and the application receive garbage.
func TestQPPDiffers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		client, server []string
		setting        string
	}{
		"QPP at the client": {[]string{"--QPP"}, nil, "QPP"},
		"QPP at the server": {nil, []string{"--QPP"}, "QPP"},
		"QPPCount":          {[]string{"--QPP", "--QPPCount", "7"}, []string{"--QPP", "--QPPCount", "61"}, "QPPCount"},
	} {
		for engine, p := range engines {
			t.Run(name+", "+engine, func(t *testing.T) {
				t.Parallel()
				p.client, p.server = c.client, c.server
				tn := start(t, p)
				tn.ask(t)
				tn.client.mustLog(t, "server differs in "+c.setting+", its streams cannot be read")
				tn.server.mustLog(t, "client differs in "+c.setting+", its streams cannot be read")
			})
		}
	}
}

// Ends of ours that use QPP know each other's settings, and do not take each other for
// originals.
func TestQPPIsKnown(t *testing.T) {
	fullOnly(t)
	t.Parallel()
	for name, p := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.both = with(p.both, "--QPP")
			tn := start(t, p)
			_, err := lab.PullSlow(patient(t), tn.dial, 600*kib, nil) // for longer than a hello may take
			must(t, err)
			for _, p := range []*program{tn.client, tn.server} {
				if lines := p.lines(saysUntold); len(lines) > 0 {
					t.Errorf("the %s takes the other for an original: %s", p.name, lines)
				}
			}
		})
	}
}

const saysUntold = "does not tell its QPP settings"

// Originals do not tell their QPP settings, so an end that uses QPP says that they are not
// known. The older release has no QPP, which is a difference that neither end can see.
func TestQPPOfOriginalsIsNotKnown(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"server", "client"} {
		for _, mode := range []string{"fast", "auto"} {
			t.Run("older "+side+", "+mode, func(t *testing.T) {
				t.Parallel()
				p := plan{both: smux2, oldSide: side}
				p.addOurs("--QPP", "--mode", mode)
				tn := start(t, p)
				tn.ask(t)
				ours := tn.client
				if ours.old {
					ours = tn.server
				}
				ours.mustLog(t, saysUntold)
				ours.kill(t) // it waits for streams that carry nonsense
			})
		}
	}
}
