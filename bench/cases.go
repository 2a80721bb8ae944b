package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kcptun/bench/report"
	"kcptun/bench/wan"
	"kcptun/e2e/lab"
)

// measurement uses a tunnel in one way and returns its figures.
type measurement func(ctx context.Context, t *tunnel, s sizes) ([]figure, error)

// testCase is one row of the bench: the same measurement for several columns.
type testCase struct {
	name    string // scenario/config
	about   string
	flags   []string
	columns []contender
	kind    string        // report.Loopback or report.Link
	takes   time.Duration // how long a round of one column takes, about; 0: not known
	rounds  int           // at most so many; 0: as many as asked for
	profile *config       // run by -profile; only for a bulk case
	move    transfer
}

// contender is one column: what to measure, or why it is not measured.
type contender struct {
	name    string
	against string // the column to compare with, or ""
	note    string // a remark about it
	flags   []string
	measure func(ctx context.Context, round int) ([]figure, error) // nil: not measured
}

// Names of the columns with one end of each pair, besides report.Ours and report.Peer.
const (
	ourClientName = "our client, peer's server"
	ourServerName = "peer's client, our server"
)

// bench holds what the cases share.
type bench struct {
	opts  options
	sizes sizes
	ours  lab.Programs
	peer  lab.Programs // empty if there is no peer
}

// scenario is a measurement with a name.
type scenario struct {
	name, about string
	run         measurement
	move        transfer // for bulk scenarios
}

func (b *bench) bulkScenarios() []scenario {
	size := fmt.Sprintf("%d MB", b.sizes.bulk/1e6)
	parts := fmt.Sprintf("%d streams down, %s together", b.sizes.streams, size)
	several := inStreams(b.sizes.streams, down)
	return []scenario{
		{"down1", "one stream down, " + size, bulk(down), down},
		{"up1", "one stream up, " + size, bulk(up), up},
		{fmt.Sprintf("down%d", b.sizes.streams), parts, bulk(several), several},
	}
}

// clientScenarios show whether the server's single socket, and the goroutine that reads it,
// is the bottleneck: they compare several clients with one.
func (b *bench) clientScenarios() []scenario {
	n := b.sizes.clients
	parts := fmt.Sprintf("%d MB together; the client's figures are of all of them", b.sizes.bulk/1e6)
	upload, download := inStreams(n, up), inStreams(n, down)
	return []scenario{
		{fmt.Sprintf("clients%dup", n), fmt.Sprintf("%d clients of one server, a stream up each, %s", n, parts), bulk(upload), upload},
		{fmt.Sprintf("clients%ddown", n), fmt.Sprintf("%d clients of one server, a stream down each, %s", n, parts), bulk(download), download},
	}
}

func (b *bench) smallScenarios() []scenario {
	one, sixteen := func(s sizes) int { return s.requests1 }, func(s sizes) int { return s.requests16 }
	return []scenario{
		{name: "echo", about: fmt.Sprintf("%d echoes of %d bytes, nothing else", b.sizes.echoes, messageSize), run: echoAlone},
		{name: "echo-busy", about: fmt.Sprintf("echoes of %d bytes beside a bulk stream down", messageSize), run: echoBusy},
		{name: "requests1", about: fmt.Sprintf("%d requests, a new stream each, one after the other", b.sizes.requests1), run: requests(1, one)},
		{name: "requests16", about: fmt.Sprintf("%d requests, a new stream each, 16 at a time", b.sizes.requests16), run: requests(16, sixteen)},
	}
}

// cases returns all cases, in the order in which they run.
func (b *bench) cases() []testCase {
	bulk := b.bulkScenarios()
	var all []testCase
	for _, s := range bulk {
		all = append(all, b.compare(s, standard))
	}
	many := standard
	many.clients = b.sizes.clients
	for _, s := range b.clientScenarios() {
		all = append(all, b.compare(s, many))
	}
	for _, s := range b.smallScenarios() {
		all = append(all, b.compare(s, standard))
	}
	all = append(all, b.mixed(bulk[0]), b.mixed(bulk[1]))
	for _, c := range variants() {
		all = append(all, b.compare(bulk[0], c), b.compare(bulk[1], c))
	}
	for _, n := range b.sizes.sessions {
		s := scenario{name: fmt.Sprintf("idle%d", n), about: fmt.Sprintf("%d sessions with one idle stream each", n), run: idleSessions(n)}
		if n == 1 {
			s.about = "one session with one idle stream"
		}
		all = append(all, b.compare(s, resting(n)))
	}
	s := scenario{name: fmt.Sprintf("streams%d", b.sizes.idle), about: fmt.Sprintf("%d idle streams in one session", b.sizes.idle), run: idleStreams}
	apart := resting(1)
	apart.apart = true
	all = append(all, b.compare(s, apart))
	most := slices.Max(b.sizes.sessions)
	all = append(all, b.autoCases()...)
	s = scenario{name: "churn", about: fmt.Sprintf("%d sessions with one idle stream each, before and after %v of streams and sessions that come and go", most, b.sizes.churn), run: churning(most)}
	return append(all, b.compare(s, resting(most)))
}

// compare returns a case of our pair and the peer's.
func (b *bench) compare(s scenario, c config) testCase {
	tc := testCase{name: s.name + "/" + c.name, about: s.about, flags: c.shown(), kind: report.Loopback}
	if s.move != nil {
		tc.profile, tc.move = &c, s.move
	}
	ours := b.contender(report.Ours, report.Peer, b.ours, s, c)
	tc.columns = []contender{ours, b.peerFor(s, c)}
	if tc.columns[1].measure == nil {
		tc.columns[0].against = ""
	}
	return tc
}

// peerFor returns the peer's column. A cipher that the peer lacks is left out, with a note.
// In place of AES-GCM, which is meant to replace aes, the peer uses aes.
func (b *bench) peerFor(s scenario, c config) contender {
	lacking := slices.Contains(b.opts.lacks, c.crypt)
	switch {
	case b.peer == lab.Programs{}:
		return contender{name: report.Peer, note: "no peer is installed"}
	case !lacking:
		return b.contender(report.Peer, "", b.peer, s, c)
	case c.crypt != "aes-128-gcm":
		return contender{name: report.Peer, note: c.crypt + " is not in the peer"}
	}
	crypt := c.crypt
	c.crypt = "aes"
	col := b.contender(report.Peer, "", b.peer, s, c)
	col.note, col.flags = crypt+" is not in the peer: measured with aes", c.shown()
	return col
}

// mixed returns a case that pairs one end of ours with the peer's other end. Our end is
// compared with the same end in the peer's own pair.
func (b *bench) mixed(s scenario) testCase {
	tc := testCase{name: s.name + "-mixed/" + standard.name, about: s.about + ", one end of each", flags: standard.shown(), kind: report.Loopback}
	if (b.peer == lab.Programs{}) {
		tc.columns = []contender{{name: report.Peer, note: "no peer is installed"}}
		return tc
	}
	ourClient := lab.Programs{Client: b.ours.Client, Server: b.peer.Server}
	ourServer := lab.Programs{Client: b.peer.Client, Server: b.ours.Server}
	tc.columns = []contender{
		b.contender(report.Peer, "", b.peer, s, standard),
		b.contender(ourClientName, report.Peer, ourClient, s, standard),
		b.contender(ourServerName, report.Peer, ourServer, s, standard),
	}
	return tc
}

// contender measures a pair on loopback, freshly started in each round.
func (b *bench) contender(name, against string, programs lab.Programs, s scenario, c config) contender {
	measure := func(ctx context.Context, _ int) ([]figure, error) {
		t, err := openTunnel(ctx, wan.Loopback(), wan.Loopback(), programs, c)
		if err != nil {
			return nil, err
		}
		return t.measured(s.run(ctx, t, b.sizes))
	}
	return contender{name: name, against: against, measure: measure}
}

// measured closes a tunnel after its measurement. The figures are kept even if a program
// fails to stop.
func (t *tunnel) measured(figures []figure, err error) ([]figure, error) {
	if err != nil {
		figures, err = nil, t.explain(err)
	}
	return figures, errors.Join(err, t.close())
}
