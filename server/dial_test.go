package main

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"kcptun/std/testkit"
)

// resolveAs makes every name have these addresses, for the test.
func resolveAs(t *testing.T, addrs ...string) {
	t.Helper()
	old := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = old })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			for serveName(far, addrs) == nil {
			}
		}()
		return near, nil
	}}
}

// serveName answers one question, in the form of DNS over TCP.
func serveName(conn net.Conn, addrs []string) error {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	query := make([]byte, int(size[0])<<8|int(size[1]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return err
	}
	q := m.Questions[0]
	m.Response, m.Additionals = true, nil
	for _, text := range addrs {
		head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
		switch a := netip.MustParseAddr(text); {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	answer, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = conn.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...))
	return err
}

// A target's name has several addresses, of which one is alive: each is tried, in both
// families, wherever it stands.
func TestDialTargetTriesEachAddress(t *testing.T) {
	for _, c := range []struct {
		what   string
		living string
		addrs  []string
	}{
		{"one refuses", "127.0.0.1", []string{"127.0.0.2", "127.0.0.1"}},
		{"one refuses, the other way round", "127.0.0.1", []string{"127.0.0.1", "127.0.0.2"}},
		{"three refuse", "127.0.0.1", []string{"127.0.0.2", "127.0.0.3", "127.0.0.1", "127.0.0.4"}},
		{"IPv6 refuses", "127.0.0.1", []string{"::1", "127.0.0.1"}},
		{"IPv4 refuses", "::1", []string{"127.0.0.1", "::1"}},
		{"IPv6 without a route, or silent", "127.0.0.1", []string{"2001:db8::1", "127.0.0.1"}},
		{"IPv6 only", "::1", []string{"::1"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			testkit.NoLeak(t)
			lis, err := net.Listen("tcp", net.JoinHostPort(c.living, "0"))
			if err != nil {
				t.Skip("no such address here:", err)
			}
			defer lis.Close()
			resolveAs(t, c.addrs...)
			_, port, _ := net.SplitHostPort(lis.Addr().String())
			ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
			defer cancel()
			conn, err := target(net.JoinHostPort("target.example", port)).dial(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if got := conn.RemoteAddr().String(); got != lis.Addr().String() {
				t.Errorf("connected with %s, want %s", got, lis.Addr())
			}
		})
	}
}

// The next stream asks for the addresses of the target again.
func TestDialTargetAsksAgain(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	_, port, _ := net.SplitHostPort(lis.Addr().String())
	to := target(net.JoinHostPort("target.example", port))
	resolveAs(t, "127.0.0.2")
	if conn, err := to.dial(context.Background()); err == nil {
		conn.Close()
		t.Fatal("connected with an address at which nobody listens")
	}
	resolveAs(t, "127.0.0.1")
	conn, err := to.dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
