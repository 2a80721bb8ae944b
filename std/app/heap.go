package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	counters "kcptun/std/metrics"
)

// Go lets garbage grow until it is as large as the live heap, and keeps the memory: after a
// burst, a server of 1000 sessions would stay at twice its size. Without load, Go collects
// every 2 minutes and returns next to nothing.
const (
	heapLook    = 10 * time.Second
	heapQuiet   = 10 << 20  // bytes allocated, received and sent between two looks; 1000 idle sessions: 2 MiB
	heapCalm    = 32        // or this fraction of the live heap, which for any number of idle sessions is more than they move
	heapSpare   = 32 << 20  // minimum gain in bytes; it must also be a quarter of the live heap
	sessionHeap = 300 << 10 // bytes of garbage that a session leaves, roughly; see docs/memory.md
)

// heapState describes the memory and the activity of the program.
type heapState struct {
	live     uint64 // bytes that the last collection found in use
	used     uint64 // live plus the bytes allocated since
	free     uint64 // bytes not returned to the system
	moved    uint64 // bytes allocated, received and sent since the start
	sessions uint64 // open sessions
}

// heapKeeper returns memory to the system once the load is over.
type heapKeeper struct {
	read    func() heapState
	release func()

	last     heapState
	sessions uint64 // the most since the last release
}

// mayCollect reports whether garbage collection is on. Users who turn it off, usually to
// use up a fixed GOMEMLIMIT, do not want us to collect either. Other values of GOGC and
// GOMEMLIMIT control collections under load, which stay as they are.
func mayCollect() bool { return os.Getenv("GOGC") != "off" }

// keepHeap checks the heap until ctx ends.
func keepHeap(ctx context.Context) {
	k := heapKeeper{read: heapReader(), release: debug.FreeOSMemory}
	ticker := time.NewTicker(heapLook)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			k.look()
		case <-ctx.Done():
			return
		}
	}
}

// look releases memory if the program is quiet and the gain is worth it. It does so again
// only after more was allocated or sessions have ended: the sessions of vanished clients
// end up to a minute after the last load.
func (k *heapKeeper) look() {
	now := k.read()
	quiet := now.moved-k.last.moved < max(heapQuiet, now.live/heapCalm)
	k.last = now
	k.sessions = max(k.sessions, now.sessions)
	if quiet && now.gain(k.sessions) > max(heapSpare, now.live/4) {
		k.release()
		k.sessions = now.sessions
	}
}

// gain estimates how many bytes a release would return. sessions is the highest number of
// sessions since the last one.
func (s heapState) gain(sessions uint64) uint64 {
	garbage := s.used - min(s.live, s.used)
	return max(garbage, (sessions-s.sessions)*sessionHeap) + s.free
}

// heapReader is created once, so that its samples do not become garbage.
func heapReader() func() heapState {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	return func() heapState {
		metrics.Read(samples)
		value := func(i int) uint64 { return samples[i].Value.Uint64() }
		moved, open := counters.Moved()
		return heapState{
			live: value(0), used: value(1), free: value(2),
			moved: value(3) + moved, sessions: open,
		}
	}
}
