package app

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

const mib = 1 << 20

// at is a step in the life of a heap: what a look finds, and whether it must release.
type at struct {
	name    string
	state   heapState
	release bool
}

func TestHeapKeeper(t *testing.T) {
	for name, steps := range map[string][]at{
		"a burst": {
			{"start", heapState{live: 80 * mib, used: 90 * mib, moved: 90 * mib}, false},
			{"load", heapState{live: 90 * mib, used: 170 * mib, moved: 190 * mib}, false},
			{"quiet", heapState{live: 90 * mib, used: 171 * mib, moved: 191 * mib}, true},
			{"after", heapState{live: 80 * mib, used: 81 * mib, moved: 192 * mib}, false},
			{"idle", heapState{live: 80 * mib, used: 105 * mib, moved: 194 * mib}, false},
		},
		"a burst that was collected, but not given back": {
			{"load", heapState{live: 80 * mib, used: 170 * mib, moved: 190 * mib}, false},
			{"quiet", heapState{live: 80 * mib, used: 81 * mib, free: 90 * mib, moved: 191 * mib}, true},
		},
		"little to gain": {
			{"load", heapState{live: 4 * mib, used: 30 * mib, moved: 190 * mib}, false},
			{"quiet", heapState{live: 4 * mib, used: 31 * mib, moved: 191 * mib}, false},
		},
		"little beside what lives": {
			{"load", heapState{live: 400 * mib, used: 480 * mib, moved: 190 * mib}, false},
			{"quiet", heapState{live: 400 * mib, used: 480 * mib, moved: 191 * mib}, false},
		},
		"sessions that vanished": {
			{"load", heapState{live: 200 * mib, used: 300 * mib, moved: 400 * mib, sessions: 600}, false},
			{"quiet", heapState{live: 200 * mib, used: 300 * mib, moved: 401 * mib, sessions: 600}, true},
			{"some ended", heapState{live: 200 * mib, used: 201 * mib, moved: 402 * mib, sessions: 500}, false},
			{"most ended", heapState{live: 200 * mib, used: 202 * mib, moved: 403 * mib, sessions: 100}, true},
			{"after", heapState{live: 80 * mib, used: 81 * mib, moved: 404 * mib, sessions: 100}, false},
		},
		"many idle sessions": {
			{"load", heapState{live: 2000 * mib, used: 2900 * mib, moved: 9000 * mib}, false},
			{"less", heapState{live: 2000 * mib, used: 2970 * mib, moved: 9070 * mib}, false},
			{"keepalives", heapState{live: 2000 * mib, used: 2990 * mib, moved: 9090 * mib}, true},
		},
		"live heap after the last collection had been larger": {
			{"load", heapState{live: 80 * mib, used: 70 * mib, moved: 190 * mib}, false},
			{"quiet", heapState{live: 80 * mib, used: 70 * mib, moved: 190 * mib}, false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var now heapState
			released := false
			k := heapKeeper{read: func() heapState { return now }, release: func() { released = true }}
			for _, step := range steps {
				now, released = step.state, false
				k.look()
				if released != step.release {
					t.Errorf("%s: released %v, want %v", step.name, released, step.release)
				}
			}
		})
	}
}

// After a burst the memory is returned to the system.
func TestHeapIsReleased(t *testing.T) {
	k := heapKeeper{read: heapReader()}
	released := 0
	k.release = func() { released++; debug.FreeOSMemory() }
	k.look()
	burst := make([][]byte, 256)
	for i := range burst {
		burst[i] = make([]byte, mib/2)
		for at := 0; at < len(burst[i]); at += 4096 {
			burst[i][at] = 1 // otherwise it would not be resident
		}
	}
	k.look()
	if released > 0 {
		t.Error("released under load")
	}
	runtime.KeepAlive(burst)
	runtime.GC() // marks it as garbage, which alone does not return it
	for range 3 {
		k.look()
	}
	if released != 1 {
		t.Errorf("released %d times, want once", released)
	}
	if left := k.read().free; left > heapSpare {
		t.Errorf("%d MiB were not given back", left/mib)
	}
}

func TestKeepHeapEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { keepHeap(ctx); close(done) }()
		time.Sleep(5 * heapLook / 2)
		cancel()
		<-done
	})
}

// The unit files and memory.md set GOGC and GOMEMLIMIT, and memory must be returned
// nevertheless. GOGC=off means off.
func TestMayCollect(t *testing.T) {
	for gogc, want := range map[string]bool{"": true, "20": true, "100": true, "off": false} {
		t.Setenv("GOGC", gogc)
		if got := mayCollect(); got != want {
			t.Errorf("GOGC=%q: %v", gogc, got)
		}
	}
}
