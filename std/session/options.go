package session

import (
	"log/slog"
	"os"
	"time"

	"kcptun/std/config"
	"kcptun/std/crypt"
	"kcptun/std/link"
	"kcptun/std/link/fec"
	"kcptun/std/mux"
	"kcptun/std/quota"
)

// OffloadEnv is an environment variable. If it is off, every datagram is sent and received
// with a system call of its own. It helps support when a driver is suspected.
const OffloadEnv = "KCPTUN_OFFLOAD"

// minPatience is the shortest time after which a silent peer is given up.
const minPatience = 30 * time.Second

// muxConfig returns the settings of a session's mux. The patience grows with the keepalive
// interval: a fixed one would end every session whose interval is longer. With the imitation
// of TCP the interval is cut, or a server would forget the flow of an idle session.
func muxConfig(c *config.Config) mux.Config {
	interval := time.Duration(c.KeepAlive) * time.Second
	keepAlive := interval
	if c.TCP {
		keepAlive = min(interval, config.MaxKeepAliveTCP*time.Second)
	}
	return mux.Config{
		KeepAlive:     keepAlive,
		Patience:      max(3*interval, minPatience),
		FrameSize:     c.FrameSize,
		ReceiveBuffer: c.SmuxBuf,
		StreamBuffer:  c.StreamBuf,
	}
}

// memoryBound limits what the windows and buffers of all sessions hold together in mode
// auto.
func memoryBound(c *config.Config) *quota.Bound {
	if c.MemLimit > 0 {
		return quota.NewBound(int64(c.MemLimit) << 20)
	}
	return quota.NewBound(quota.Default())
}

// LinkOptions returns the options for the links of a program. It derives the packet key,
// which takes milliseconds. Call Check first.
func LinkOptions(c *config.Config, log *slog.Logger, stats *link.Stats) (link.Options, error) {
	sealer, err := crypt.NewSealer(c.Crypt, c.Key)
	if err != nil {
		return link.Options{}, err
	}
	if err := fec.Check(c.DataShard, c.ParityShard); err != nil {
		return link.Options{}, err
	}
	limit := c.RateLimit
	if c.Auto() {
		limit = 0 // the engine respects it, and one receiver for many peers must not wait for one of them
	}
	return link.Options{
		Sealer: sealer, MTU: c.MTU, DSCP: c.DSCP, Buffer: c.SockBuf, RateLimit: limit,
		DataShards: c.DataShard, ParityShards: c.ParityShard, Bare: c.Auto(), Codes: new(fec.Codes),
		Conversations: new(link.Conversations), Settled: !follows(c), Siblings: follows(c) && hasPorts(c),
		Stats: stats, Log: log, OneByOne: os.Getenv(OffloadEnv) == "off",
	}, nil
}
