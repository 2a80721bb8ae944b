package rawtcp

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// A rule of ours, or of tcpraw, drops what kernel connections send with a hop limit of one.
// A server's rule names a local port, a client's rule both ends. A rule is stale if no
// process on this machine has a TCP socket with that local port.

// clearStaleRules removes the rules left by runs that were killed, and returns them. A rule
// is always added after its socket exists, so the rules are listed first: a rule that then
// has no socket belongs to nobody.
func clearStaleRules(ctx context.Context) ([]string, error) {
	programs := []string{"iptables", "ip6tables"}
	listings := make([]string, len(programs))
	for i, program := range programs {
		out, err := runFirewall(ctx, (*exec.Cmd).Output, program, "-S", "OUTPUT")
		if err == nil { // otherwise the family does not exist here, and has no rules
			listings[i] = string(out)
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	ports, err := localTCPPorts("/proc/net/tcp", "/proc/net/tcp6")
	if err != nil {
		return nil, err
	}
	var cleared []string
	for i, program := range programs {
		for _, rule := range staleRules(listings[i], ports) {
			args := append([]string{"-D"}, strings.Fields(rule)[1:]...)
			msg, err := runFirewall(ctx, (*exec.Cmd).CombinedOutput, program, args...)
			if noSuchRule(err) {
				continue // its owner was just about to remove it
			}
			if err != nil {
				return cleared, fmt.Errorf("removing a stale rule: %s -w %s: %w: %.200s", program, strings.Join(args, " "), err, msg)
			}
			cleared = append(cleared, program+" "+rule)
		}
	}
	return cleared, nil
}

// staleRules selects from the output of iptables -S the rules that have the form of
// tcpraw's and whose local port is not in use.
func staleRules(listing string, inUse map[uint16]bool) []string {
	var stale []string
	for line := range strings.Lines(listing) {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		oneHop := hasPair(words, "--ttl-eq", "1") || hasPair(words, "--hl-eq", "1")
		if !oneHop || !onlyOurOptions(words) || !hasPair(words, "-A", "OUTPUT") || !hasPair(words, "-j", "DROP") || !hasPair(words, "-p", "tcp") {
			continue
		}
		port, err := strconv.ParseUint(valueAfter(words, "--sport"), 10, 16)
		if err == nil && !inUse[uint16(port)] {
			stale = append(stale, line)
		}
	}
	return stale
}

// onlyOurOptions returns false for a rule that somebody else made, such as one with a
// negation, a comment or an interface.
func onlyOurOptions(words []string) bool {
	for i := 0; i < len(words); i += 2 {
		switch words[i] {
		case "-A", "-s", "-d", "-p", "-m", "--ttl-eq", "--hl-eq", "--sport", "--dport", "-j":
		default:
			return false
		}
	}
	return true
}

func hasPair(words []string, key, value string) bool { return valueAfter(words, key) == value }

func valueAfter(words []string, key string) string {
	for i, w := range words[:max(0, len(words)-1)] {
		if w == key {
			return words[i+1]
		}
	}
	return ""
}

// localTCPPorts reads the local ports of all TCP sockets from the kernel's
// tables (proc_net_tcp(5)): the second column is address:port in hex, the tenth
// the socket's inode.
func localTCPPorts(tables ...string) (map[uint16]bool, error) {
	ports := make(map[uint16]bool)
	for i, table := range tables {
		f, err := os.Open(table)
		if err != nil {
			if i > 0 && os.IsNotExist(err) {
				continue // no IPv6
			}
			return nil, err
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			columns := strings.Fields(lines.Text())
			if len(columns) < 10 || columns[9] == "0" {
				continue // inode 0: the kernel is closing a connection that no process holds
			}
			_, port, _ := strings.Cut(columns[1], ":")
			if b, err := hex.DecodeString(port); err == nil && len(b) == 2 {
				ports[uint16(b[0])<<8|uint16(b[1])] = true
			}
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
	}
	return ports, nil
}
