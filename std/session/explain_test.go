package session

import (
	"io"
	"testing"

	"kcptun/std/config"
	"kcptun/std/testkit"
)

// The log says what a session of mode auto has found, and nothing of one that is over.
func TestSessionRateIsExplained(t *testing.T) {
	cc, sc := testConfig(config.Client), testConfig(config.Server)
	cc.Mode, sc.Mode = config.ModeAuto, config.ModeAuto
	u := newTunnel(t, cc, sc)
	go func() { _, _ = u.near.Write(testkit.RandomBytes(1, 100_000)) }()
	if _, err := io.ReadFull(u.far, make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	log, book := testkit.NewLog()
	a := u.client.engine.(*auto)
	a.explain(u.client, log, explainLeast)
	if book.String() != "" {
		t.Errorf("of 100,000 bytes the log says %q", book)
	}
	a.explain(u.client, log, 0)
	testkit.Contains(t, book.String(), `msg="session rate"`, "rate=", "rtt=", "least=", "wire/payload=", "phase=", "limit=application")
	u.client.Close(errTestEnds)
	var l living
	l.add(u.client)
	l.remove(u.client)
	l.each(func(*Session, *auto) { t.Error("it is over, and is still there") })
}
