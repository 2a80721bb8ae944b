package lab

import (
	"testing"
)

// The counters as both pairs of programs print them.
func TestParseCounters(t *testing.T) {
	for _, line := range []string{
		"2026/11/22 19:06:14 signal.go:26: KCP SNMP:&{BytesSent:10 PassiveOpens:3 CurrEstab:1234 InErrs:5}",
		`time=2026-11-22T19:18:37Z level=INFO msg="KCP SNMP: BytesSent:10 PassiveOpens:3 CurrEstab:1234 InErrs:5"`,
	} {
		m := parseCounters(line)
		if len(m) != 4 || m["BytesSent"] != 10 || m["CurrEstab"] != 1234 || m["InErrs"] != 5 {
			t.Errorf("%v in %s", m, line)
		}
	}
	if m := parseCounters("time=12:13"); len(m) != 0 {
		t.Errorf("counters in a line without any: %v", m)
	}
}

// Lines printed before do not count as an answer.
func TestAskWantsNews(t *testing.T) {
	log := newLogbook()
	_, _ = log.Write([]byte("KCP SNMP: A:1\n"))
	p := &Process{log: log, done: make(chan struct{})}
	_, from, _ := log.since(1 << 30)
	if from != 1 {
		t.Fatalf("the next line is %d", from)
	}
	go func() { _, _ = log.Write([]byte("KCP SNMP: A:2\n")) }()
	line, err := p.waitLineFrom(deadline(t), from, countersLine.MatchString)
	if err != nil || parseCounters(line)["A"] != 2 {
		t.Errorf("%q, %v", line, err)
	}
}

func TestStartNetworkFails(t *testing.T) {
	noLeaks(t)
	n, err := StartNetwork(deadline(t), NetworkConfig{Programs: Programs{Server: "/nowhere/server"}})
	if err == nil {
		n.Close()
		t.Error("a network without programs")
	}
}
