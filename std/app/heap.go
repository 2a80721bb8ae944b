package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	counters "kcptun/std/metrics"
)

// Go lets garbage grow until it is as large as what is in use, and keeps the memory: after
// a burst, a server of 1000 sessions would stay at twice its size. Without load it
// collects every 2 minutes and gives back next to nothing.
const (
	heapLook    = 10 * time.Second
	heapQuiet   = 10 << 20  // bytes allocated, received and sent between two looks; 1000 idle sessions: 2 MiB
	heapCalm    = 32        // or this fraction of the live heap, which exceeds that for any number of sessions
	heapSpare   = 32 << 20  // least gain in bytes; also at least a quarter of the live heap
	sessionHeap = 300 << 10 // bytes that a session leaves as garbage, roughly; see docs/memory.md
)

// heapState is what the program holds and does.
type heapState struct {
	live     uint64 // bytes, as the last collection found
	used     uint64 // bytes of live, and of what was allocated since
	free     uint64 // bytes that were not given back to the system
	moved    uint64 // bytes allocated, received and sent since the start
	sessions uint64 // that are open
}

// heapKeeper returns memory to the system after load has ceased.
type heapKeeper struct {
	read    func() heapState
	release func()

	last     heapState
	sessions uint64 // the most since the last release
}

// mayCollect tells whether garbage is collected at all. Those who turned that off, usually
// to use up a fixed GOMEMLIMIT, want no collection from us either. Other values of GOGC
// and GOMEMLIMIT control collections under load, which are not changed here.
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

// look releases memory where the gain is worth it and the program is quiet. It does not do
// so again before more was allocated or sessions have ended: sessions of clients that
// vanished end up to a minute after the last load.
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

// gain estimates what a release would give back, given the most sessions since the last
// one.
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
