package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"kcptun/e2e/lab"
)

// way holds the figures of one direction.
type way struct {
	moved   lab.Result
	wire    uint64       // bytes that both programs sent during the transfer
	net     lab.Counters // datagrams of this direction, during the whole demo
	resent  uint64       // segments retransmitted
	rebuilt uint64       // packets restored by FEC
}

// report is what the demo measured.
type report struct {
	up, down way
	echo     []time.Duration
}

// String returns the report as a table with aligned columns.
func (r report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	row := func(name string, show func(way) string) {
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, show(r.up), show(r.down))
	}
	fmt.Fprint(w, "\tto the server\tfrom the server\n")
	row("throughput", func(x way) string { return perSecond(x.moved.Rate()) })
	row("time", func(x way) string { return fmt.Sprintf("%.2f s", x.moved.Duration.Seconds()) })
	row("datagrams lost by the network", lost)
	row("segments retransmitted", func(x way) string { return fmt.Sprint(x.resent) })
	row("packets rebuilt by FEC", func(x way) string { return fmt.Sprint(x.rebuilt) })
	row("bytes on the wire per byte of payload", overhead)
	median, worst := spread(r.echo)
	fmt.Fprintf(w, "round trip of %d bytes\tmedian %s\tmax %s\n", echoSize, millis(median), millis(worst))
	w.Flush()
	return b.String()
}

func lost(x way) string {
	share := 100 * float64(x.net.Lost) / float64(max(x.net.PacketsIn, 1))
	return fmt.Sprintf("%d of %d (%.1f %%)", x.net.Lost, x.net.PacketsIn, share)
}

// overhead counts the datagrams of both directions, including acknowledgements.
func overhead(x way) string {
	return fmt.Sprintf("%.2f", float64(x.wire)/float64(max(x.moved.Bytes, 1)))
}

// spread returns the median and the maximum of times.
func spread(times []time.Duration) (median, longest time.Duration) {
	if len(times) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2], sorted[len(sorted)-1]
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
