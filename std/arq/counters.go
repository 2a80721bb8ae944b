package arq

import "time"

// Stats are the counters of an engine, in segments.
type Stats struct {
	Sent     uint64 // first transmissions
	Resent   uint64 // retransmissions
	Copies   uint64 // extra transmissions of segments that were not lost
	Lost     uint64 // transmissions considered lost
	Spurious uint64 // retransmissions whose earlier transmission arrived after all
	Probes   uint64 // probe timeouts
	Received uint64
	Repeated uint64 // duplicates, or segments for which there was no room
	Late     uint64 // received after a later segment: retransmitted, restored or reordered
}

// since returns what has been counted since an earlier state.
func (s Stats) since(before Stats) Stats {
	return Stats{
		s.Sent - before.Sent, s.Resent - before.Resent, s.Copies - before.Copies, s.Lost - before.Lost,
		s.Spurious - before.Spurious, s.Probes - before.Probes, s.Received - before.Received, s.Repeated - before.Repeated,
		s.Late - before.Late,
	}
}

// View is what an engine knows about its link.
type View struct {
	Stats
	Phase  string        // the phase of the sender: start, drain, cruise, probe
	Pace   float64       // bytes per second sent on the wire
	Rate   float64       // bytes per second on the wire that arrive
	Loss   float64       // the link's own share of lost segments
	Missed float64       // share of segments that do not arrive, even if copies or parity replace them
	Code   Code          // the parity groups for packets of a call or game
	Smooth time.Duration // round trip, smoothed
	Least  time.Duration // shortest round trip of about the last 10 s
	Runs   bool          // acknowledgements tell of runs, see TellRuns
	Limit  string        // what keeps the sender from sending more
}

var phaseNames = [phases]string{starting: "start", draining: "drain", cruising: "cruise", probing: "probe"}

// View returns what the engine knows now.
func (e *Engine) View() View {
	return View{
		Stats: e.stats, Phase: phaseNames[e.mdl.phase], Pace: e.pace(), Rate: e.mdl.bw, Loss: e.mdl.losses.own, Missed: e.parity.misses.known(), Code: e.parity.code,
		Smooth: e.rtt.smooth, Least: e.rtt.least, Runs: e.rcv.runs, Limit: e.limitedBy(),
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
