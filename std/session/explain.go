package session

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"kcptun/std/config"
	"kcptun/std/metrics"
)

// explainEvery is how often each busy session of mode auto logs what it knows of its link.
const explainEvery = time.Minute

// explainLeast is how many bytes a session must have sent since then to count as busy.
const explainLeast = 256 << 10

// Explain logs what the sessions of mode auto know of their links, until stop is called:
// the busy ones once a minute, unless --quiet is set, and all of them on SIGUSR1.
func (f *Maker) Explain(log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	if f.cfg.Auto() {
		wg.Go(func() {
			metrics.OnSignal(ctx, func() { f.explain(log, 0) })
		})
		wg.Go(func() { f.explainBusy(ctx, log) })
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// explainBusy goes through all sessions once a minute. Idle ones release the memory of
// error correction.
func (f *Maker) explainBusy(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(explainEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if !f.cfg.Quiet {
				f.explain(log, explainLeast)
			}
			for _, a := range f.autos.list() {
				if a.load() == 0 {
					a.peer.Rest()
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

func (f *Maker) explain(log *slog.Logger, least uint64) {
	for _, a := range f.autos.list() {
		a.explain(log, least)
	}
}

// explain logs what is known of the link of a session, if the session has sent at least
// least bytes since the last time.
func (a *auto) explain(log *slog.Logger, least uint64) {
	defer a.panics.Catch(a.Fail)
	wire, payload := a.wire.Load(), a.payload.Load()
	sent := a.explained.Swap(payload)
	if payload-sent < least {
		a.explained.Store(sent)
		return
	}
	v := a.View()
	ratio := 0.0
	if payload > 0 {
		ratio = float64(wire) / float64(payload)
	}
	late := 0.0
	if v.Received > 0 {
		late = float64(v.Late) / float64(v.Received)
	}
	attributes := []any{"to", a.peer.Addr(), "conv", a.Conv(),
		"rate", fmt.Sprintf("%.2fMbit/s", v.Rate*8/1e6), "pace", fmt.Sprintf("%.2fMbit/s", v.Pace*8/1e6),
		"rtt", v.Smooth.Round(time.Millisecond), "least", v.Least.Round(time.Millisecond),
		"loss", fmt.Sprintf("%.1f%%", 100*v.Loss), "lossout", fmt.Sprintf("%.1f%%", 100*v.Missed), "latein", fmt.Sprintf("%.1f%%", 100*late),
		"sent", v.Sent, "resent", v.Resent, "copies", v.Copies, "rebuilt", a.peer.Rebuilt(),
		"wire/payload", fmt.Sprintf("%.3f", ratio), "phase", v.Phase, "limit", v.Limit}
	if v.Code.Parity > 0 {
		attributes = append(attributes, "parity", fmt.Sprintf("%d/%d", v.Code.Data, v.Code.Parity))
	}
	if caps := caps(a.cfg, v.Smooth, a.segment()); len(caps) > 0 {
		attributes = append(attributes, "caps", strings.Join(caps, ", "))
	}
	log.Info("session rate", attributes...)
}

// noCap is the rate, in bits per second, above which a cap by settings is not worth
// mentioning.
const noCap = 1e9

// caps describes to what rate the configured windows and buffers limit a session at the
// given round trip. segment is the number of data bytes in a segment.
func caps(c *config.Config, trip time.Duration, segment int) (text []string) {
	say := func(given bool, name string, value, bytes int, whom string) {
		if rate := float64(bytes) * 8 / max(trip, time.Millisecond).Seconds(); given && rate < noCap {
			text = append(text, fmt.Sprintf("%s %d caps %s at %.3g Mbit/s at %d ms", name, value, whom, rate/1e6, trip.Milliseconds()))
		}
	}
	say(!c.FollowsWindow(), "rcvwnd", c.RcvWnd, c.RcvWnd*segment, "this peer")
	say(c.SndWnd < config.MaxAutoWindow, "sndwnd", c.SndWnd, c.SndWnd*segment, "us")
	say(!c.FollowsBuffers(), "smuxbuf", c.SmuxBuf, c.SmuxBuf, "this peer")
	say(c.StreamBuf < min(c.SmuxBuf, config.AutoSmuxBuf)/2, "streambuf", c.StreamBuf, c.StreamBuf, "each stream of this peer")
	return text
}
