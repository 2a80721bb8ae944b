package lab

import (
	"context"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
)

var (
	// countersLine matches what the programs print at the signal, both ours and older
	// releases.
	countersLine = regexp.MustCompile(`KCP SNMP:`)
	counter      = regexp.MustCompile(`\b(\w+):(-?\d+)`)
)

// Counters makes the program print its counters, and returns them by name. Windows has no
// signal for that.
func (p *Process) Counters(ctx context.Context) (map[string]int64, error) {
	line, err := p.ask(ctx, countersSignal, countersLine)
	if err != nil {
		return nil, err
	}
	return parseCounters(line), nil
}

func parseCounters(line string) map[string]int64 {
	values := make(map[string]int64)
	at := countersLine.FindStringIndex(line)
	if at == nil {
		return values
	}
	for _, m := range counter.FindAllStringSubmatch(line[at[1]:], -1) {
		if n, err := strconv.ParseInt(m[2], 10, 64); err == nil {
			values[m[1]] = n
		}
	}
	return values
}

// ask sends a signal and waits for a new line that matches re.
func (p *Process) ask(ctx context.Context, sig os.Signal, re *regexp.Regexp) (string, error) {
	_, from, _ := p.log.since(math.MaxInt)
	if err := p.Signal(sig); err != nil {
		return "", err
	}
	line, err := p.waitLineFrom(ctx, from, re.MatchString)
	if err != nil {
		return "", fmt.Errorf("no answer to %v: %w", sig, err)
	}
	return line, nil
}
