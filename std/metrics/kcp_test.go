package metrics

import (
	"strings"
	"testing"

	"github.com/xtaci/kcp-go/v5"

	"kcptun/std/testkit"
)

type words string

func (w words) String() string { return string(w) }

func TestLine(t *testing.T) {
	line := Line(words("LinkShort:7"), words("LogLost:0"))
	if !strings.HasPrefix(line, "KCP SNMP: ") || strings.Contains(line, "\n") || !strings.HasSuffix(line, " LinkShort:7 LogLost:0") {
		t.Error(line)
	}
	for _, name := range kcp.DefaultSnmp.Header() {
		testkit.Contains(t, line, " "+name+":")
	}
}

// Every function adds to the counter that users know by this name.
func TestCounters(t *testing.T) {
	for name, c := range map[string]struct {
		count func()
		want  string
	}{
		"sent":             {func() { Sent(2, 300) }, "OutPkts:2 OutBytes:300"},
		"received":         {func() { Received(2, 300) }, "InPkts:2 InBytes:300"},
		"taken back":       {func() { Received(2, 300); Received(-1, -100) }, "InPkts:1 InBytes:200"},
		"malformed":        {Malformed, "InErrs:1"},
		"unsealed":         {Unsealed, "InCsumErrors:1"},
		"out of band":      {OutOfBand, "OOBPackets:1"},
		"read":             {func() { Read(5) }, "BytesReceived:5"},
		"written":          {func() { Written(5) }, "BytesSent:5"},
		"segments":         {Segments{5, 4, 3, 2, 1}.Count, "InSegs:4 OutSegs:5 RetransSegs:3 LostSegs:2 RepeatSegs:1"},
		"opened by us":     {func() { Opened(true) }, "MaxConn:1 ActiveOpens:1 CurrEstab:1"},
		"opened by a peer": {func() { Opened(false); Opened(false); Closed() }, "MaxConn:2 PassiveOpens:2 CurrEstab:1"},
		"parity":           {Parity, "FECParityShards:1"},
		"complete":         {GroupComplete, "FECFullShards:1"},
		"restored":         {Restored, "FECRecovered:1"},
		"not restored":     {RestoringFailed, "FECErrs:1"},
		"groups":           {func() { Groups(70, 3) }, "FECShardSet:3 FECShardMin:70"},
	} {
		kcp.DefaultSnmp.Reset()
		c.count()
		var got []string
		for _, word := range strings.Fields(strings.TrimPrefix(Line(), "KCP SNMP:")) {
			if !strings.HasSuffix(word, ":0") {
				got = append(got, word)
			}
		}
		want := strings.Fields(c.want)
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		testkit.Contains(t, strings.Join(got, " ")+" ", want...)
	}
	kcp.DefaultSnmp.Reset()
	Opened(true)
	if _, open := Moved(); open != 1 {
		t.Errorf("%d are open", open)
	}
	Closed()
	Sent(1, 10)
	Received(1, 5)
	if bytes, open := Moved(); bytes != 15 || open != 0 {
		t.Errorf("%d bytes, %d are open", bytes, open)
	}
}
