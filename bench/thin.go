package main

import (
	"context"
	"time"

	"kcptun/bench/report"
	"kcptun/e2e/lab"
)

// messageRate is how many messages a second a thin flow sends, as a game or a call does.
const messageRate = 30

// lateAfter is what a message may take beyond the round trip of the link.
const lateAfter = 100 * time.Millisecond

// Bytes of IP packets that one message needs there and back, if nothing is lost or sent
// twice. A packet has 28 bytes of UDP and IPv4, and 20 of the cipher; a segment of KCP has 24;
// around the message are 8 of smux and, as snappy cannot shrink it, 8 of snappy. The answer
// carries the acknowledgement of the message; its own goes alone.
const (
	emptyPacket = 28 + 20
	segment     = 24
	plainWire   = 2*(emptyPacket+segment+8+8+messageSize) + segment + (emptyPacket + segment) // 400
)

// messages sends small messages at a steady pace, which do not wait for each other. Of a
// lost one the retransmission is awaited by all that follow it. wire is how many bytes have
// been offered to the link in both directions.
func messages(ctx context.Context, l load, r linkRun, wire func() int64) ([]figure, error) {
	count := max(1, int(r.time.Seconds()*messageRate))
	before := wire()
	times, err := lab.Messages(ctx, l.dial, count, messageSize, time.Second/messageRate)
	if err != nil {
		return nil, err
	}
	sent := wire() - before
	late := 0
	for _, t := range times {
		if t > r.cell.RTT+lateAfter {
			late++
		}
	}
	figures := []figure{{report.Late, "%", 100 * float64(late) / float64(len(times))}}
	figures = append(figures, quantiles("messages ", times, 50, 95, 99)...)
	return append(figures, figure{report.MessageWire, "", float64(sent) / float64(count) / plainWire}), nil
}
