package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// defaultCells are a near and a far link, without and with loss.
const defaultCells = "20/100/0,100/100/0,100/100/1,100/100/5,200/20/1"

// cellSyntax is what parseCell reads.
const cellSyntax = "RTT/RATE/LOSS[/BURST[/JITTER[/QUEUE]]]"

// defaultQueue is how long a bottleneck holds packets at most; home routers
// queue for about as long.
const defaultQueue = 100 * time.Millisecond

// cell describes a link, the same in both directions.
type cell struct {
	name   string
	rtt    time.Duration // without queueing
	rate   float64       // Mbit/s of IP packets, 0 is no limit
	loss   float64       // percent of the packets, each way
	burst  float64       // mean packets lost in a row; 1 is independent losses
	jitter time.Duration // up to so much more each way, evenly; packets overtake
	queue  time.Duration // the longest wait for the rate; what would wait longer is dropped
}

func parseCells(list string) ([]cell, error) {
	var cells []cell
	for _, word := range words(list) {
		c, err := parseCell(word)
		if err != nil {
			return nil, fmt.Errorf("-cells: %q: %w", word, err)
		}
		cells = append(cells, c)
	}
	return cells, nil
}

func parseCell(word string) (cell, error) {
	parts := strings.Split(word, "/")
	if len(parts) < 3 || len(parts) > 6 {
		return cell{}, fmt.Errorf("want RTT/RATE/LOSS, and perhaps /BURST/JITTER/QUEUE")
	}
	values := []float64{0, 0, 0, 1, 0, milliseconds(defaultQueue)}
	for i, part := range parts {
		v, err := strconv.ParseFloat(part, 64)
		if err != nil || !(v >= 0 && v <= 1e5) {
			return cell{}, fmt.Errorf("%q is not a number from 0 to 100000", part)
		}
		values[i] = v
	}
	ms := func(i int) time.Duration { return time.Duration(values[i] * float64(time.Millisecond)) }
	c := cell{name: word, rtt: ms(0), rate: values[1], loss: values[2], burst: values[3], jitter: ms(4), queue: ms(5)}
	if c.loss > 50 || c.burst < 1 || c.rtt > 10*time.Second {
		return cell{}, fmt.Errorf("want an RTT up to 10000, a loss up to 50, and a burst of 1 or more")
	}
	return c, nil
}
