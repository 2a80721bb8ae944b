package e2e_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"kcptun/e2e/lab"
)

// readCounters reads the only CSV file of --snmplog in a folder; nil if there is none.
func readCounters(t *testing.T, dir string) [][]string {
	t.Helper()
	files := names(t, dir)
	if len(files) == 0 {
		return nil
	}
	if len(files) > 1 || !regexp.MustCompile(`^counters-20\d\d\.csv$`).MatchString(files[0]) {
		t.Fatalf("the files are %v, want one, named by the year", files)
	}
	text, err := os.ReadFile(filepath.Join(dir, files[0]))
	must(t, err)
	whole := text[:strings.LastIndexByte(string(text), '\n')+1] // the last row may be incomplete
	rows, err := csv.NewReader(strings.NewReader(string(whole))).ReadAll()
	must(t, err)
	return rows
}

func TestSnmpLog(t *testing.T) {
	t.Parallel()
	// The name of the folder contains what would be part of a time layout.
	dir := filepath.Join(t.TempDir(), "2006")
	must(t, os.Mkdir(dir, 0o755))
	path := filepath.Join(dir, "counters-2006.csv")
	tn := start(t, plan{client: []string{"--snmplog", path, "--snmpperiod", "1"}})
	tn.exchange(t, mib)
	wait(t, "three rows", func() bool { return len(readCounters(t, dir)) >= 4 })
	rows := readCounters(t, dir)
	header := rows[0]
	if header[0] != "Unix" || header[1] != "BytesSent" {
		t.Errorf("the header begins with %v", header[:2])
	}
	for _, row := range rows[1:] {
		if at, err := strconv.ParseInt(row[0], 10, 64); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Hour {
			t.Errorf("a row's time is %q", row[0])
		}
	}
	wait(t, "a row that has the 1 MiB that was sent", func() bool {
		rows := readCounters(t, dir)
		sent, err := strconv.Atoi(rows[len(rows)-1][1])
		return err == nil && sent >= mib
	})
}

// The last row is written at the end, however long the period. Rows are appended to an
// existing file.
func TestSnmpLogAtExit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := plan{client: []string{"--snmplog", filepath.Join(dir, "counters-2006.csv"), "--snmpperiod", "3600"}}
	tn := start(t, p)
	tn.exchange(t, 64*kib)
	if rows := readCounters(t, dir); rows != nil {
		t.Errorf("there are rows before the period is over: %v", rows)
	}
	tn.client.stop(t)
	if rows := readCounters(t, dir); len(rows) != 2 {
		t.Fatalf("%d lines after the end, want header and row", len(rows))
	}
	again, _ := startClient(t, tn.remote, p)
	again.stop(t)
	if rows := readCounters(t, dir); len(rows) != 3 || rows[2][0] == "Unix" {
		t.Errorf("after a second run the lines are %v, want one more row and one header", rows)
	}
}

// rateBurst is how much --ratelimit lets through at once: 64 datagrams of 1500 bytes.
const rateBurst = 64 * 1500

// Only a lower bound of the time can be checked: a slow machine may take longer.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	const rate = 250 * 1000
	limit := []string{"--ratelimit", strconv.Itoa(rate)}
	for name, c := range map[string]struct {
		plan plan
		way  lab.Direction
		move func(*tunnel, *testing.T, int64) error
	}{
		"client":       {plan{client: limit}, lab.Up, (*tunnel).push},
		"server":       {plan{server: limit}, lab.Down, (*tunnel).pull},
		"client, auto": {plan{client: append([]string{"--mode", "auto"}, limit...)}, lab.Up, (*tunnel).push},
		"server, auto": {plan{server: append([]string{"--mode", "auto"}, limit...)}, lab.Down, (*tunnel).pull},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.plan.relay = &lab.Fault{}
			tn := start(t, c.plan)
			begun := time.Now()
			must(t, c.move(tn, t, 600*kib))
			wire := tn.relay.Counters(c.way).BytesIn
			took := time.Since(begun)
			if wire < 600*kib {
				t.Errorf("only %d bytes went over the wire", wire)
			}
			// The parity of a group leaves with its last packet and is charged afterwards.
			const parity = 3 * 1500
			least := time.Duration(float64(wire-rateBurst-parity) / rate * float64(time.Second))
			if took < least {
				t.Errorf("%d bytes took %v, at %d bytes/s they take %v at least", wire, took, rate, least)
			}
			t.Log(fmt.Sprint(wire, " bytes in ", took, ", at least ", least))
		})
	}
}

// A sender with windows that the limit does not fill takes no more than the limit lets through,
// whichever end it is: it used to send most segments many times over, of which nearly all were
// dropped on the way to the socket.
func TestRateLimitDropsNothing(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"compression": nil, "no compression": {"--nocomp"}} {
		for _, side := range []string{"client", "server"} {
			t.Run(name+", "+side, func(t *testing.T) {
				t.Parallel()
				limit := []string{"--ratelimit", "1000000"}
				p := plan{both: with(flags, "--mode fast3 --sndwnd 8192 --rcvwnd 8192"), client: limit}
				if side == "server" {
					p.client, p.server = nil, limit
				}
				tn := start(t, p)
				sender, move := tn.client, tn.push
				if side == "server" {
					sender, move = tn.server, tn.pull
				}
				must(t, move(t, 3*mib))
				c, err := sender.Counters(patient(t))
				must(t, err)
				if segs, packets := c["OutSegs"], c["OutPkts"]; segs < 3*mib/1500 || 2*segs > 3*packets {
					t.Errorf("%d segments in %d packets", segs, packets)
				}
			})
		}
	}
}
