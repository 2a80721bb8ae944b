package link

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// A rule of tcpraw drops what its kernel connections send with a hop limit of
// one. A server's rule names a local port, a client's both ends. It is stale
// when no process of this machine has a TCP socket with that local port.

// clearStaleRules removes the rules of runs that were killed, and returns them.
// tcpraw would take a stale rule for its own and leave it behind again.
func clearStaleRules() ([]string, error) {
	ports, err := localTCPPorts("/proc/net/tcp", "/proc/net/tcp6")
	if err != nil {
		return nil, err
	}
	var cleared []string
	for _, program := range []string{"iptables", "ip6tables"} {
		out, err := exec.Command(program, "-w", "-S", "OUTPUT").Output()
		if err != nil {
			continue // no such family here: no rules of it either
		}
		for _, rule := range staleRules(string(out), ports) {
			args := append([]string{"-w", "-D"}, strings.Fields(rule)[1:]...)
			if msg, err := exec.Command(program, args...).CombinedOutput(); err != nil {
				return cleared, fmt.Errorf("removing a stale rule: %s %s: %w: %.200s", program, strings.Join(args, " "), err, msg)
			}
			cleared = append(cleared, program+" "+rule)
		}
	}
	return cleared, nil
}

// staleRules picks from the output of iptables -S the rules that have the shape
// of tcpraw's and whose local port is not in use.
func staleRules(listing string, inUse map[uint16]bool) []string {
	var stale []string
	for line := range strings.Lines(listing) {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		oneHop := hasPair(words, "--ttl-eq", "1") || hasPair(words, "--hl-eq", "1")
		if !oneHop || !hasPair(words, "-A", "OUTPUT") || !hasPair(words, "-j", "DROP") || !hasPair(words, "-p", "tcp") {
			continue
		}
		port, err := strconv.ParseUint(valueAfter(words, "--sport"), 10, 16)
		if err == nil && !inUse[uint16(port)] {
			stale = append(stale, line)
		}
	}
	return stale
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
				continue // inode 0: the kernel is ending a connection that nobody holds
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
