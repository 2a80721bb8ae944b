package address

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// MultiPort is a host with a range of ports, both ends included.
type MultiPort struct {
	Host    string // as written, with the brackets of an IPv6 address
	MinPort uint64
	MaxPort uint64
}

// ParseMultiPort reads host:port or host:min-max. Ports are 1 to 65535.
func ParseMultiPort(addr string) (*MultiPort, error) {
	colon := strings.LastIndexByte(addr, ':')
	if colon < 0 {
		return nil, fmt.Errorf("%q has no port: write host:port or host:min-max", addr)
	}
	host, ports := addr[:colon], addr[colon+1:]
	if strings.ContainsAny(host, ":[]") && (strings.LastIndexByte(host, '[') != 0 || strings.IndexByte(host, ']') != len(host)-1) {
		return nil, fmt.Errorf("%q: write an IPv6 address in brackets, [address]:port", addr)
	}
	low, high, isRange := strings.Cut(ports, "-")
	if !isRange {
		high = low
	}
	mp := &MultiPort{Host: host}
	var err error
	if mp.MinPort, err = parsePort(low); err != nil {
		return nil, fmt.Errorf("%q: %w", addr, err)
	}
	if mp.MaxPort, err = parsePort(high); err != nil {
		return nil, fmt.Errorf("%q: %w", addr, err)
	}
	if mp.MinPort > mp.MaxPort {
		return nil, fmt.Errorf("%q: the range begins after its end", addr)
	}
	return mp, nil
}

// ParseList reads one or more of what ParseMultiPort reads, with commas between them.
func ParseList(text string) ([]*MultiPort, error) {
	var all []*MultiPort
	for one := range strings.SplitSeq(text, ",") {
		mp, err := ParseMultiPort(strings.TrimSpace(one))
		if err != nil {
			return nil, err
		}
		all = append(all, mp)
	}
	return all, nil
}

func parsePort(s string) (uint64, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil || port == 0 || s[0] == '+' {
		return 0, fmt.Errorf("port %q is not a number from 1 to 65535", s)
	}
	return port, nil
}

// Pick returns the address with a random port of the range.
func (mp *MultiPort) Pick() string {
	return mp.address(mp.MinPort + rand.Uint64N(mp.MaxPort-mp.MinPort+1))
}

// All returns the address with each port of the range.
func (mp *MultiPort) All() []string {
	var all []string
	for port := mp.MinPort; port <= mp.MaxPort; port++ {
		all = append(all, mp.address(port))
	}
	return all
}

func (mp *MultiPort) address(port uint64) string {
	return mp.Host + ":" + strconv.FormatUint(port, 10)
}
