package lab

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Direction is one of the two directions of a relay.
type Direction int

// The two directions of a relay.
const (
	Up   Direction = iota // from the clients to the server
	Down                  // from the server to the clients
)

// String returns "up" or "down".
func (d Direction) String() string {
	if d == Up {
		return "up"
	}
	return "down"
}

// relayBuffer is the buffer size requested for every socket, so that a burst of a full
// window waits instead of being lost without being counted. The system may grant less.
const relayBuffer = 4 << 20

// defaultMaxClients bounds the table if RelayConfig.MaxClients is 0.
const defaultMaxClients = 1024

var errTableFull = errors.New("relay: the table of clients is full")

// RelayConfig describes a relay.
type RelayConfig struct {
	Listen     string // host:port for clients; "" means 127.0.0.1:0
	Server     string // host:port of the server, in the same address family
	Up, Down   Fault  // faults at first
	Seed       uint64 // the same seed and packets give the same fates
	MaxClients int    // client addresses at a time, beyond which datagrams are dropped; 0 means 1024
}

// Relay forwards datagrams between any number of clients and one server like a NAT: each
// client address has its own socket to the server. It is safe for concurrent use.
type Relay struct {
	conn      *net.UDPConn // facing the clients
	server    *net.UDPAddr
	lines     [2]*line
	barrier   barrier
	recording atomic.Pointer[Recording] // nil: no recording in progress
	limit     int
	wg        sync.WaitGroup // every goroutine of the relay

	mu     sync.Mutex
	flows  map[netip.AddrPort]*net.UDPConn // sockets to the server, by client
	closed bool
}

// NewRelay opens and starts a relay. Close must be called.
func NewRelay(cfg RelayConfig) (*Relay, error) {
	for _, f := range []Fault{cfg.Up, cfg.Down} {
		if err := f.Validate(); err != nil {
			return nil, err
		}
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.MaxClients == 0 {
		cfg.MaxClients = defaultMaxClients
	}
	server, err := net.ResolveUDPAddr("udp", cfg.Server)
	if err != nil {
		return nil, fmt.Errorf("relay: server address: %w", err)
	}
	if server.Port == 0 {
		return nil, fmt.Errorf("relay: server address %q has no port", cfg.Server)
	}
	local, err := net.ResolveUDPAddr("udp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("relay: listen address: %w", err)
	}
	conn, err := net.ListenUDP(family(local), local)
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	enlarge(conn)
	r := &Relay{
		conn: conn, server: server, limit: cfg.MaxClients,
		flows: make(map[netip.AddrPort]*net.UDPConn),
	}
	r.lines[Up] = newLine(Up, cfg.Seed, cfg.Up, &r.barrier, r.sendUp)
	r.lines[Down] = newLine(Down, cfg.Seed, cfg.Down, &r.barrier, r.sendDown)
	r.wg.Go(r.lines[Up].run)
	r.wg.Go(r.lines[Down].run)
	r.wg.Go(r.readClients)
	return r, nil
}

// Addr is the host:port to which clients send.
func (r *Relay) Addr() string { return r.conn.LocalAddr().String() }

// SetFault sets the faults of one direction for packets that arrive from now on.
func (r *Relay) SetFault(dir Direction, f Fault) error {
	if err := f.Validate(); err != nil {
		return err
	}
	r.lines[dir].setFault(f)
	return nil
}

// Cut drops everything in both directions, including packets in flight, until it is called
// with false.
func (r *Relay) Cut(on bool) { r.barrier.all.Store(on) }

// Block drops everything to and from these clients for good, including packets in flight,
// like a firewall that blocks a flow. Without arguments it blocks all clients known at this
// moment. A client that sends from another port gets through.
func (r *Relay) Block(clients ...netip.AddrPort) {
	if len(clients) == 0 {
		clients = r.Clients()
	}
	r.barrier.block(clients)
}

// Clients returns, in no particular order, the addresses that have sent something since the
// relay was opened or Rebind was called.
func (r *Relay) Clients() []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.flows))
}

// Inject sends a datagram as if it came from the client (Up) or from the server to this
// client (Down), immediately and without faults. An eavesdropper on the path can do that to
// any flow.
func (r *Relay) Inject(dir Direction, client netip.AddrPort, b []byte) error {
	if dir == Up {
		return r.sendUp(client, b)
	}
	return r.sendDown(client, b)
}

// Rebind closes the sockets to the server, like a NAT that restarts. The server sees the
// next datagram of each client come from a new port, and what it sends to the old ports is
// lost.
func (r *Relay) Rebind() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for client, conn := range r.flows {
		conn.Close() // ends its reader
		delete(r.flows, client)
	}
}

// Counters says what has happened in one direction so far.
func (r *Relay) Counters(dir Direction) Counters { return r.lines[dir].snapshot() }

// Close discards what is in flight, closes the sockets and waits for the relay's
// goroutines. It may be called again.
func (r *Relay) Close() error {
	r.mu.Lock()
	first := !r.closed
	r.closed = true
	r.mu.Unlock()
	if first {
		r.conn.Close()
		r.Rebind()
		r.lines[Up].close()
		r.lines[Down].close()
	}
	r.wg.Wait()
	return nil
}

// readClients carries the datagrams of all clients.
func (r *Relay) readClients() {
	buf := make([]byte, 65536)
	for {
		n, client, err := r.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if !survives(err) {
				return
			}
			continue
		}
		r.carry(Up, client, buf[:n])
	}
}

// readServer carries the server's datagrams to one client.
func (r *Relay) readServer(client netip.AddrPort, conn *net.UDPConn) {
	buf := make([]byte, 65536)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			if !survives(err) {
				return
			}
			continue
		}
		r.carry(Down, client, buf[:n])
	}
}

func (r *Relay) carry(dir Direction, client netip.AddrPort, b []byte) {
	if rec := r.recording.Load(); rec != nil {
		rec.keep(dir, client, b)
	}
	r.lines[dir].carry(client, b)
}

// survives reports whether a reader may go on after err. A server that is down answers with
// ICMP errors, which must not end the flow. The short wait keeps a permanent error from
// using up a core.
func survives(err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	time.Sleep(time.Millisecond)
	return true
}

func (r *Relay) sendDown(client netip.AddrPort, b []byte) error {
	_, err := r.conn.WriteToUDPAddrPort(b, client)
	return err
}

// sendUp looks up the flow when the packet leaves, not when it arrives, so that Rebind
// affects packets in flight, too.
func (r *Relay) sendUp(client netip.AddrPort, b []byte) error {
	conn, err := r.flow(client)
	if err != nil {
		return err
	}
	if _, err = conn.Write(b); err != nil {
		// A connected socket reports the ICMP error of an earlier packet once, instead of
		// sending. This packet deserves its own attempt.
		_, err = conn.Write(b)
	}
	return err
}

// flow returns the client's socket to the server, and opens it for a new client.
func (r *Relay) flow(client netip.AddrPort) (*net.UDPConn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if conn := r.flows[client]; conn != nil {
		return conn, nil
	}
	if r.closed {
		return nil, net.ErrClosed
	}
	if len(r.flows) >= r.limit {
		return nil, errTableFull
	}
	conn, err := net.DialUDP(family(r.server), nil, r.server)
	if err != nil {
		return nil, err
	}
	enlarge(conn)
	r.flows[client] = conn
	r.wg.Go(func() { r.readServer(client, conn) })
	return conn, nil
}

// family returns the network of an address. A socket of udp4 returns IPv4 addresses in their
// short form.
func family(a *net.UDPAddr) string {
	if a.IP.To4() != nil {
		return "udp4"
	}
	return "udp6"
}

// enlarge requests larger socket buffers. If the system refuses, that costs speed only.
func enlarge(conn *net.UDPConn) {
	_ = conn.SetReadBuffer(relayBuffer)
	_ = conn.SetWriteBuffer(relayBuffer)
}
