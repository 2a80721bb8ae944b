package e2e_test

import (
	"encoding/hex"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"kcptun/e2e/lab"
)

// tcpStates returns the states of the TCP sockets of this machine that have one of these
// ports at either end, except those that listen or only wait for late packets.
func tcpStates(t *testing.T, ports ...string) (states []string) {
	t.Helper()
	const listens, timeWait = "0A", "06"
	names := map[string]string{"01": "ESTABLISHED", "04": "FIN_WAIT1", "05": "FIN_WAIT2", "08": "CLOSE_WAIT", "09": "LAST_ACK", "0B": "CLOSING"}
	text, err := os.ReadFile("/proc/net/tcp")
	must(t, err)
	for _, line := range strings.Split(string(text), "\n")[1:] {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] == listens || f[3] == timeWait {
			continue
		}
		for _, port := range ports {
			if strings.HasSuffix(f[1], port) || strings.HasSuffix(f[2], port) {
				states = append(states, names[f[3]]+" "+f[1]+" "+f[2])
			}
		}
	}
	return states
}

// hexPort is the port of an address as /proc/net/tcp writes it.
func hexPort(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	must(t, err)
	n, err := strconv.Atoi(port)
	must(t, err)
	return ":" + strings.ToUpper(hex.EncodeToString([]byte{byte(n >> 8), byte(n)}))
}

// However a stream ends, no socket stays in CLOSE_WAIT or FIN_WAIT: not at the application,
// not at the target, and not at our ends. The connections of half-closed streams used to
// stay for as long as closewait.
func TestNoSocketIsLeftHalfClosed(t *testing.T) {
	t.Parallel()
	for name, p := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.server = []string{"--closewait", "300"}
			tn := start(t, p)
			local, err := tn.client.ListenAddr(patient(t))
			must(t, err)
			ports := []string{hexPort(t, local), hexPort(t, tn.target.Addr())}
			for range 10 {
				_, err := lab.HalfClose(patient(t), tn.dial, kib, kib)
				must(t, err)
				tn.exchange(t, 10*kib)
				for _, leave := range leavings {
					conn, err := tn.dial(patient(t))
					must(t, err)
					_, err = conn.Write([]byte("abandoned amid its first words"))
					must(t, err)
					leave(conn.(*net.TCPConn))
				}
			}
			var left []string
			defer func() { t.Logf("left: %q", left) }()
			wait(t, "all sockets to be gone", func() bool {
				left = tcpStates(t, ports...)
				return len(left) == 0
			})
		})
	}
}
