package relay

import (
	"testing"
	"time"

	"kcptun/std/testkit"
)

// A stream of one request often ends within a millisecond of its first half. Waiting for
// that must cost little: a timer, and no question to the system.
func TestEndedDirectionCostsLittle(t *testing.T) {
	_, near := testkit.TCPPair(t)
	far, _ := testkit.TCPPair(t)
	w := newWork(near, far, nil)
	close(w.fromA.ended)
	objects := testing.AllocsPerRun(100, func() {
		if why, ended := w.await(w.fromA, limits{quiet: time.Minute}, far); !ended {
			t.Fatal(why)
		}
	})
	if objects > 6 { // some of them may be of others
		t.Errorf("waiting allocates %v objects", objects)
	}
}

// A write that finds room needs nothing that watches for a reset meanwhile.
func TestWriteWithRoomCostsLittle(t *testing.T) {
	near, _ := testkit.TCPPair(t)
	p := newMemoryPair(2, nil)
	defer p.client.Close(nil)
	defer p.server.Close(nil)
	st, _ := p.open(t)
	d := newDirection(near, st, nil)
	d.alarm = newAlarm(near, st)
	if d.alarm == nil {
		t.Skip("a reset is not noticed on this system")
	}
	if _, err := d.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if d.alarm.timer != nil {
		t.Error("the write has set a timer")
	}
}
