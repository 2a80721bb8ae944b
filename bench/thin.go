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

// messages sends small messages at a steady pace, which do not wait for each other. Of a
// lost one the retransmission is awaited by all that follow it.
func messages(ctx context.Context, l load, r linkRun) ([]figure, error) {
	count := max(1, int(r.time.Seconds()*messageRate))
	times, err := lab.Messages(ctx, l.dial, count, messageSize, time.Second/messageRate)
	if err != nil {
		return nil, err
	}
	late := 0
	for _, t := range times {
		if t > r.cell.RTT+lateAfter {
			late++
		}
	}
	figures := []figure{{report.Late, "%", 100 * float64(late) / float64(len(times))}}
	return append(figures, quantiles("messages ", times, 50, 95, 99)...), nil
}
