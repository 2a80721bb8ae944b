package metrics

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/xtaci/kcp-go/v5"
)

// FileName is the file to append counters to at the given time: the name in path, but not
// its directory, is a layout of time.Format.
func FileName(path string, at time.Time) string {
	dir, name := filepath.Split(path)
	return filepath.Join(dir, at.Format(name))
}

// Advice explains what is odd about the name of the counters file; "" if nothing is.
//
// Go treats some digits and words as parts of a date wherever they occur: the 2 of
// "stat-2.log" is the day, the 1 of "kcp1.log" the month. They cannot be quoted. A name
// that is meant to contain a date has the year in it, and two digits for each other part.
func Advice(path string) string {
	at := func(year int, month time.Month, day, hour, minute, second int) string {
		return FileName(path, time.Date(year, month, day, hour, minute, second, 0, time.UTC))
	}
	// 2006 and 2017 have the same calendar. The names of January and October are equally
	// long, as are those of Monday and Friday. So if the length of the file name differs, a
	// number in it is not padded.
	reference := at(2006, time.January, 2, 3, 4, 5)
	later := at(2006, time.October, 20, 22, 24, 25)
	hasYear := at(2017, time.January, 2, 3, 4, 5) != reference
	const meaning = ": what looks like a part of Go's reference time, 2006-01-02 15:04:05, becomes one of the present time; docs/counters.md says more"
	switch {
	case len(later) != len(reference):
		return "a single digit in the name of --snmplog is taken for a part of the date" + meaning
	case hasYear || later == reference:
		return ""
	}
	return "the name of --snmplog changes with the time and has no year, so old files are appended to again" + meaning
}

// AppendEach appends a line of counters to the file once a period, and a last one when ctx
// ends.
func AppendEach(ctx context.Context, path string, period time.Duration, log *slog.Logger) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	failed := ""
	write := func() {
		err := Append(path, time.Now())
		switch {
		case err == nil:
			failed = ""
		case err.Error() != failed: // log each problem once, not once a period
			log.Error("snmplog was not written", "err", err)
			failed = err.Error()
		}
	}
	for {
		select {
		case <-ticker.C:
			write()
		case <-ctx.Done():
			write()
			return
		}
	}
}

// Append appends one line to the file. An empty file first gets the header.
func Append(path string, now time.Time) error {
	f, err := os.OpenFile(FileName(path, now), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	if info.Size() == 0 {
		_ = w.Write(append([]string{"Unix"}, kcp.DefaultSnmp.Header()...)) // a Buffer accepts everything
	}
	_ = w.Write(append([]string{fmt.Sprint(now.Unix())}, kcp.DefaultSnmp.ToSlice()...))
	w.Flush()
	return appendWhole(f, info.Size(), text.Bytes())
}

// appendWhole appends text to a file of the given size, or leaves the file unchanged: on a
// full disk, half a line would run into the next one.
func appendWhole(f interface {
	io.Writer
	Truncate(size int64) error
}, size int64, text []byte) error {
	n, err := f.Write(text)
	if err != nil && n > 0 {
		_ = f.Truncate(size) // fails on a pipe; the write error is the one reported
	}
	return err
}
