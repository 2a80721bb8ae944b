package rawtcp

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kcptun/std/testkit"
)

// What iptables v1.8.9 -S OUTPUT lists after rules of tcpraw, and others like
// them, were made.
const listing4 = `-P OUTPUT ACCEPT
-A OUTPUT -p tcp -m ttl --ttl-eq 1 -m tcp --sport 29900 -j DROP
-A OUTPUT -s 192.0.2.1/32 -d 192.0.2.2/32 -p tcp -m ttl --ttl-eq 1 -m tcp --sport 40001 --dport 29900 -j DROP
-A OUTPUT -s 192.0.2.1/32 -d 192.0.2.2/32 -p tcp -m ttl --ttl-eq 1 -m tcp --sport 40002 --dport 29900 -j DROP
-A OUTPUT -p tcp -m ttl --ttl-eq 64 -m tcp --sport 29900 -j DROP
-A OUTPUT -p udp -m ttl --ttl-eq 1 -m udp --sport 29900 -j DROP
-A OUTPUT -p tcp -m ttl --ttl-eq 1 -m tcp --sport 29900 -j ACCEPT
-A OUTPUT -p tcp -m ttl --ttl-lt 2 -m tcp --sport 29900 -j DROP
-A OUTPUT -p tcp -m ttl --ttl-eq 1 -m tcp --dport 29900 -j DROP
-A OUTPUT -p tcp -m ttl --ttl-eq 1 -m tcp --sport 29900:29910 -j DROP
-A OUTPUT -o eth9 -p tcp -m ttl --ttl-eq 1 -m tcp --sport 29900 -j DROP
-A OUTPUT -p tcp -m ttl --ttl-eq 1 -m tcp ! --sport 29900 -j DROP
-A OUTPUT ! -s 192.0.2.1/32 -p tcp -m ttl --ttl-eq 1 -m tcp --sport 29900 -j DROP
-A OUTPUT -p tcp -m ttl --ttl-eq 1 -m tcp --sport 29900 -m comment --comment "kept by hand" -j DROP
-A OTHER -p tcp -m ttl --ttl-eq 1 -m tcp --sport 29900 -j DROP
`

const listing6 = `-P OUTPUT ACCEPT
-A OUTPUT -p tcp -m hl --hl-eq 1 -m tcp --sport 29900 -j DROP
-A OUTPUT -s 2001:db8::1/128 -d 2001:db8::2/128 -p tcp -m hl --hl-eq 1 -m tcp --sport 40001 --dport 29900 -j DROP
-A OUTPUT -p tcp -m hl --hl-eq 64 -m tcp --sport 29900 -j DROP
`

func lines(listing string, numbers ...int) (picked []string) {
	all := strings.Split(listing, "\n")
	for _, n := range numbers {
		picked = append(picked, all[n])
	}
	return picked
}

func TestStaleRules(t *testing.T) {
	for _, c := range []struct {
		name, listing string
		inUse         []uint16
		want          []string
	}{
		{"no rules", "-P OUTPUT ACCEPT\n", nil, nil},
		{"nothing", "", nil, nil},
		{"none in use", listing4, nil, lines(listing4, 1, 2, 3)},
		{"the server's in use", listing4, []uint16{29900}, lines(listing4, 2, 3)},
		{"a client's in use", listing4, []uint16{40001}, lines(listing4, 1, 3)},
		{"all in use", listing4, []uint16{29900, 40001, 40002}, nil},
		{"IPv6", listing6, nil, lines(listing6, 1, 2)},
		{"IPv6, the client's in use", listing6, []uint16{40001}, lines(listing6, 1)},
	} {
		inUse := make(map[uint16]bool)
		for _, port := range c.inUse {
			inUse[port] = true
		}
		if got := staleRules(c.listing, inUse); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q\nwant %q", c.name, got, c.want)
		}
	}
}

const procTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1505 1 00000000ddce8a83 100 0 0 10 0
   1: 0100007F:A201 0100007F:8DEC 06 00000000:00000000 03:00000E05 00000000     0        0 0 3 00000000596a47d8
   2: 0100007F:92F4 0100007F:9CB7 01 00000000:00000000 00:00000000 00000000  1000        0 8812 1 00000000e362c1f9 20 4 30 10 -1
   3: short
   4: 0100007F:XXXX 0100007F:9CB7 01 00000000:00000000 00:00000000 00000000  1000        0 8813 1 00000000e362c1f9 20 4 30 10 -1
`

const procTCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:74CC 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1534 1 00000000c74e8df5 100 0 0 10 0
`

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLocalTCPPorts(t *testing.T) {
	v4, v6 := write(t, "tcp", procTCP, 0o600), write(t, "tcp6", procTCP6, 0o600)
	ports, err := localTCPPorts(v4, v6)
	if err != nil {
		t.Fatal(err)
	}
	// 0xa201 is in TIME_WAIT: no process holds it.
	if len(ports) != 3 || !ports[0x07e8] || !ports[0x92f4] || !ports[0x74cc] {
		t.Errorf("ports in use: %v", ports)
	}
	if ports, err = localTCPPorts(v4, v6+".absent"); err != nil || len(ports) != 2 {
		t.Errorf("without IPv6: %v %v", ports, err)
	}
	if _, err = localTCPPorts(v4 + ".absent"); err == nil {
		t.Error("no table, and no error")
	}
	if _, err = localTCPPorts(write(t, "tcp", strings.Repeat("x", 1<<17), 0o600)); err == nil {
		t.Error("a table of one endless line, and no error")
	}
	if _, err = localTCPPorts(t.TempDir()); err == nil {
		t.Error("a directory, and no error")
	}
}

func heldPort(t *testing.T, network, address string) (port uint16, release func()) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { l.Close() })
	return uint16(l.Addr().(*net.TCPAddr).Port), func() { l.Close() }
}

func TestLocalTCPPortsOfThisMachine(t *testing.T) {
	for _, c := range [][2]string{{"tcp4", "127.0.0.1:0"}, {"tcp", ":0"}, {"tcp6", "[::1]:0"}} {
		port, release := heldPort(t, c[0], c[1])
		held := func() bool {
			ports, err := localTCPPorts("/proc/net/tcp", "/proc/net/tcp6")
			if err != nil {
				t.Fatal(err)
			}
			return ports[port]
		}
		if !held() {
			t.Errorf("%v: port %d is not among those in use", c, port)
		}
		release()
		testkit.Eventually(t, "the port is free", func() bool { return !held() })
	}
}

// fakeFirewall puts programs in the place of iptables and ip6tables that list
// rules and keep what they are asked.
func fakeFirewall(t *testing.T, list4, list6, onDelete string) (asked func() []string) {
	t.Helper()
	dir := t.TempDir()
	book := filepath.Join(dir, "asked")
	for name, listing := range map[string]string{"iptables": list4, "ip6tables": list6} {
		script := "#!/bin/sh\nif [ \"$2\" = -S ]; then cat <<'END'\n" + listing + "END\nexit 0; fi\necho " + name + " \"$@\" >>" + book + "\n" + onDelete + "\n"
		if listing == "" {
			script = "#!/bin/sh\nexit 3\n" // no such family
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	return func() []string {
		b, _ := os.ReadFile(book)
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
}

func TestClearStaleRules(t *testing.T) {
	held, _ := heldPort(t, "tcp4", "127.0.0.1:0")
	free, release := heldPort(t, "tcp4", "127.0.0.1:0")
	release()
	rule := func(option string, port uint16) string {
		return "-A OUTPUT -p tcp -m " + option[2:strings.LastIndex(option, "-")] + " " + option + " 1 -m tcp --sport " + strconv.Itoa(int(port)) + " -j DROP"
	}
	ours4, ours6 := rule("--ttl-eq", free), rule("--hl-eq", free)
	asked := fakeFirewall(t, rule("--ttl-eq", held)+"\n"+ours4+"\n", ours6+"\n", "")
	cleared, err := clearStaleRules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"iptables " + ours4, "ip6tables " + ours6}; !slices.Equal(cleared, want) {
		t.Errorf("cleared %q, want %q", cleared, want)
	}
	want := []string{"iptables -w -D" + ours4[2:], "ip6tables -w -D" + ours6[2:]}
	if got := asked(); !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// A firewall program that waits for another process's lock used to hold up the start for as long,
// and a program that was told to end meanwhile did not.
func TestCheckEndsWithItsContext(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	for _, program := range []string{"iptables", "ip6tables"} {
		if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\nexec sleep 60\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { _, err := Check(ctx); ended <- err }()
	go func() { _, err := clearStaleRules(ctx); ended <- err }()
	cancel()
	for range 2 {
		if err := testkit.Within(t, "the end", ended); !errors.Is(err, context.Canceled) {
			t.Errorf("it ends with %v", err)
		}
	}
}

func TestClearStaleRulesFails(t *testing.T) {
	free, release := heldPort(t, "tcp4", "127.0.0.1:0")
	release()
	rule := "-A OUTPUT -p tcp -m ttl --ttl-eq 1 -m tcp --sport " + strconv.Itoa(int(free)) + " -j DROP"
	fakeFirewall(t, rule+"\n", "", "echo the reason >&2; exit 4")
	cleared, err := clearStaleRules(t.Context())
	if err == nil || len(cleared) != 0 {
		t.Fatalf("cleared %q, %v", cleared, err)
	}
	for _, want := range []string{"removing a stale rule", "iptables -w -D OUTPUT", strconv.Itoa(int(free)), "the reason"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}
