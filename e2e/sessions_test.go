package e2e_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"kcptun/e2e/lab"
)

// pulls downloads n bytes over each of count streams, concurrently.
func (tn *tunnel) pulls(t *testing.T, count int, n int64) {
	t.Helper()
	calls := make([]func() error, count)
	for i := range calls {
		calls[i] = func() error { return tn.pull(t, n+int64(i)) } // a different length means different data
	}
	concurrently(t, calls)
}

// openAll opens count sessions and returns how many streams that took. A stream does not wait
// for a session that is slow to open if there is another one.
func (tn *tunnel) openAll(t *testing.T, count int) (streams int) {
	t.Helper()
	wait(t, fmt.Sprintf("%d sessions are open", count), func() bool {
		streams++
		must(t, tn.pull(t, kib))
		return len(tn.client.lines("session opened")) >= count
	})
	return streams
}

// Streams use the four sessions in turn.
func TestFourSessions(t *testing.T) {
	t.Parallel()
	tn := start(t, plan{client: []string{"--conn", "4"}})
	before := tn.openAll(t, 4)
	tn.server.mustLogTimes(t, before, "stream opened")
	tn.pulls(t, 8, 256*kib)
	for _, p := range []*program{tn.client, tn.server} {
		if convs := fields(t, p.lines("session opened"), "conv"); len(convs) != 4 {
			t.Errorf("the %s has the conversations %v, want 4", p.name, convs)
		}
	}
	used := make(map[string]int)
	for _, line := range tn.server.mustLogTimes(t, before+8, "stream opened")[before:] {
		used[field(t, line, "from")]++
	}
	if len(used) != 4 {
		t.Errorf("streams by session are %v, want 2 on each of 4", used)
	}
	for from, streams := range used {
		if streams != 2 {
			t.Errorf("%d streams came from %s, want 2", streams, from)
		}
	}
}

func TestPortRange(t *testing.T) {
	t.Parallel()
	first := freePorts(t, 4)
	listen := fmt.Sprintf("127.0.0.1:%d-%d", first, first+3)
	tn := start(t, plan{listen: listen, client: []string{"--conn", "12"}})
	if _, err := tn.server.ListenAddrs(patient(t), 4); err != nil {
		t.Fatal(err)
	}
	tn.openAll(t, 12)
	tn.pulls(t, 12, 128*kib)
	to := fields(t, tn.client.lines("session opened"), "to")
	at := fields(t, tn.server.mustLogTimes(t, 12, "session opened"), "at")
	// The chance that twelve sessions all choose the same one of four ports is 1 in 4^11.
	if len(to) < 2 || !slices.Equal(to, at) {
		t.Errorf("the client sent to %v and the server was called at %v, want the same ports, several", to, at)
	}
}

// With many cores, the datagrams of one port are spread over several goroutines.
func TestSessionsOnManyCores(t *testing.T) {
	t.Parallel()
	bad := lab.Fault{Loss: 0.02, Duplicate: 0.01, Corrupt: 0.01, Reorder: 0.02}
	tn := start(t, plan{env: []string{"GOMAXPROCS=8"}, relay: &bad, client: []string{"--conn", "8"}})
	tn.openAll(t, 8)
	tn.pulls(t, 16, 256*kib)
	if convs := fields(t, tn.server.lines("session opened"), "conv"); len(convs) != 8 {
		t.Errorf("the server has the conversations %v, want 8", convs)
	}
}

// If the keys differ, the server reports that and does not grow.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	tn := start(t, plan{client: []string{"--key", "another " + secret}})
	before, fdErr := tn.server.FDs()
	conn, err := tn.dial(patient(t))
	must(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "is there anybody?")
	must(t, err)
	if line := tn.server.mustLog(t, "datagrams arrive that do not open"); !strings.Contains(line, "key or crypt differ") {
		t.Errorf("the server does not name the reason: %s", line)
	}
	conn.Close()
	tn.client.stop(t)
	if lines := tn.server.lines("session opened"); len(lines) > 0 {
		t.Errorf("a session came of it: %s", lines)
	}
	if n := tn.target.Accepted(); n != 0 {
		t.Errorf("%d connections reached the target", n)
	}
	if after, err := tn.server.FDs(); fdErr == nil && (err != nil || after != before) {
		t.Errorf("the server has %d file descriptors, had %d (%v)", after, before, err)
	}
	_, tn.dial = startClient(t, tn.remote, plan{})
	tn.exchange(t, 256*kib)
}
