package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
)

// names is a resolver with the addresses of one name.
type names []string

func (n names) LookupPort(ctx context.Context, network, service string) (int, error) {
	return net.DefaultResolver.LookupPort(ctx, network, service)
}

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if host != "name" {
		return nil, errors.New("no such name")
	}
	var all []netip.Addr
	for _, a := range n {
		all = append(all, netip.MustParseAddr(a))
	}
	return all, nil
}

func TestAll(t *testing.T) {
	for _, c := range []struct {
		what, remote string
		of           names
		want         []string
	}{
		{"one address", "name:1", names{"192.0.2.1"}, []string{"192.0.2.1:1"}},
		{"in turn, IPv4 first", "name:1", names{"2001:db8::1", "2001:db8::2", "192.0.2.1"}, []string{"192.0.2.1:1", "[2001:db8::1]:1", "[2001:db8::2]:1"}},
		{"the resolver's order", "name:1", names{"192.0.2.9", "192.0.2.1", "2001:db8::1"}, []string{"192.0.2.9:1", "[2001:db8::1]:1", "192.0.2.1:1"}},
		{"IPv6 alone", "name:1", names{"2001:db8::2", "2001:db8::1"}, []string{"[2001:db8::2]:1", "[2001:db8::1]:1"}},
		{"mapped, and twice", "name:1", names{"::ffff:192.0.2.1", "192.0.2.1"}, []string{"192.0.2.1:1"}},
		{"an address", "[::ffff:192.0.2.1]:1", nil, []string{"192.0.2.1:1"}},
		{"a zone", "[fe80::1%lo]:1", nil, []string{"[fe80::1%lo]:1"}},
		{"no addresses", "name:1", nil, nil},
		{"no name", "other:1", names{"192.0.2.1"}, nil},
		{"no port", "name", names{"192.0.2.1"}, nil},
	} {
		all, err := All(context.Background(), c.of, c.remote)
		var got []string
		for _, a := range all {
			got = append(got, a.String())
		}
		if !slices.Equal(got, c.want) || (err == nil) != (len(c.want) > 0) {
			t.Errorf("%s: %v, %v, want %v", c.what, got, err, c.want)
		}
	}
}
