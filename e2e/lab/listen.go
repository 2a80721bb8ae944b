package lab

import (
	"context"
	"fmt"
	"regexp"
)

// listenForms match the lines in which a program says its address: ours in the text format
// of log/slog, and those of older releases. The latter print the line before the socket is
// open; the client's retransmissions bridge that.
var listenForms = []*regexp.Regexp{
	regexp.MustCompile(`\bmsg=listening\b.*? addr="([^"]+)"`),
	regexp.MustCompile(`\bmsg=listening\b.*? addr=([^\s"]+)`),
	regexp.MustCompile(`\blistening on:?\s+(\S+)\s*$`),
}

// parseListen finds the address in a log line.
func parseListen(line string) (addr string, ok bool) {
	for _, re := range listenForms {
		if m := re.FindStringSubmatch(line); m != nil {
			return m[1], true
		}
	}
	return "", false
}

// ListenAddr waits until the program says that it is listening, and returns the address as
// the program writes it: host:port, or the path of a socket.
func (p *Process) ListenAddr(ctx context.Context) (string, error) {
	addrs, err := p.ListenAddrs(ctx, 1)
	if err != nil {
		return "", err
	}
	return addrs[0], nil
}

// ListenAddrs waits until the program has said count addresses, as a server on a range of
// ports does, and returns them in the order of the log.
func (p *Process) ListenAddrs(ctx context.Context, count int) ([]string, error) {
	var addrs []string
	_, err := p.waitLine(ctx, func(line string) bool {
		if addr, ok := parseListen(line); ok {
			addrs = append(addrs, addr)
		}
		return len(addrs) >= count
	})
	if err != nil {
		return nil, fmt.Errorf("%s does not listen (%d of %d addresses): %w", p.name, len(addrs), count, err)
	}
	return addrs, nil
}
