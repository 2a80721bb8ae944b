package arq

import "time"

// Stats are counts of an engine, in segments.
type Stats struct {
	Sent     uint64 // for the first time
	Resent   uint64 // after they were lost
	Copies   uint64 // sent once more without being lost
	Lost     uint64 // transmissions taken for lost
	Spurious uint64 // of which a former transmission arrived after all
	Probes   uint64 // timeouts
	Received uint64
	Repeated uint64 // received though we had them, or without room
	Late     uint64 // received after a later one: sent again, restored, or overtaken
}

// since is what has happened since a former state.
func (s Stats) since(before Stats) Stats {
	return Stats{
		s.Sent - before.Sent, s.Resent - before.Resent, s.Copies - before.Copies, s.Lost - before.Lost,
		s.Spurious - before.Spurious, s.Probes - before.Probes, s.Received - before.Received, s.Repeated - before.Repeated,
		s.Late - before.Late,
	}
}

// View is what an engine knows of its link.
type View struct {
	Stats
	Phase  string        // what the sender is about: start, drain, cruise, probe
	Pace   float64       // bytes per second on the wire that are sent
	Rate   float64       // bytes per second on the wire that arrive
	Loss   float64       // the share of segments that the link loses by itself
	Missed float64       // the share that does not arrive, whether replaced by copies and parity or not
	Code   Code          // the groups that packets of a call or game are in
	Smooth time.Duration // round trip, smoothed
	Least  time.Duration // of about the last 10 s
	Limit  string        // what keeps the sender from sending more
}

var phaseNames = [phases]string{starting: "start", draining: "drain", cruising: "cruise", probing: "probe"}

// View is what the engine knows now.
func (e *Engine) View() View {
	return View{
		Stats: e.stats, Phase: phaseNames[e.mdl.phase], Pace: e.pace(), Rate: e.mdl.bw, Loss: e.mdl.losses.own, Missed: e.parity.misses.known(), Code: e.parity.code,
		Smooth: e.rtt.smooth, Least: e.rtt.least, Limit: e.limitedBy(),
	}
}

// limitedBy names what keeps the engine from sending more.
func (e *Engine) limitedBy() string {
	switch {
	case len(e.snd.queue) == 0 && !e.snd.hasLost():
		return "application"
	case e.snd.shut():
		return "peer's window"
	case len(e.snd.queue) > 0 && e.snd.short():
		return "memlimit"
	case len(e.snd.queue) > 0 && !e.snd.mayNumber():
		return "sndwnd"
	case e.tardy >= mostTardy/2:
		return "CPU"
	case e.cfg.Limit > 0 && e.mdl.pace >= float64(e.cfg.Limit):
		return "ratelimit"
	}
	return "link"
}
