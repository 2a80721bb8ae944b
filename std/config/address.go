package config

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"kcptun/std/address"
)

func (c *Config) checkAddresses(r Role, fail failFunc) {
	if r == Client {
		c.checkStream("localaddr", c.LocalAddr, 0, fail)
		c.checkSocketMode(fail)
		c.checkServers(fail)
		return
	}
	c.checkStream("target", c.Target, 1, fail)
	if reason := misread(c.Listen, "", true); reason != "" {
		fail("listen", "%s", reason)
		return
	}
	mp, err := address.ParseMultiPort(c.Listen)
	if err != nil {
		fail("listen", "%v", err)
		return
	}
	host := strings.Trim(mp.Host, "[]")
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(mp.Host, "[") {
		fail("listen", "%q is not an IPv6 address", mp.Host)
	}
}

// checkServers checks the client's servers.
func (c *Config) checkServers(fail failFunc) {
	if strings.TrimSpace(c.RemoteAddr) == "" {
		fail("remoteaddr", "is empty: write host:port or host:min-max")
		return
	}
	missing := false
	for server := range strings.SplitSeq(c.RemoteAddr, ",") {
		if server = strings.TrimSpace(server); server == "" {
			missing = true
			continue
		}
		checkServer(server, fail)
	}
	if missing {
		fail("remoteaddr", "%q has a comma without an address beside it", c.RemoteAddr)
	}
}

// checkServer checks one of the client's servers.
func checkServer(addr string, fail failFunc) {
	mp, err := address.ParseMultiPort(addr)
	if reason := misread(addr, "HOST", true); reason != "" {
		fail("remoteaddr", "%s", reason)
	} else if err != nil {
		fail("remoteaddr", "%v", err)
	} else if mp.Host == "" {
		fail("remoteaddr", "%q names no host: write host:port or host:min-max", addr)
	}
}

// checkStream checks the address of a TCP or unix socket.
func (c *Config) checkStream(name, addr string, minPort int, fail failFunc) {
	if addr == "" {
		fail(name, "is empty: write host:port or the path of a unix socket")
		return
	}
	if reason := misread(addr, "127.0.0.1", false); reason != "" {
		fail(name, "%s", reason)
		return
	}
	if address.IsUnixPath(addr) {
		c.checkUnix(name, addr, fail)
		return
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		fail(name, "%v: write host:port or the path of a unix socket", err)
		return
	}
	if n, err := net.LookupPort("tcp", port); err != nil || n < minPort || port == "" {
		fail(name, "%q: port %q is not a number from %d to 65535", addr, port, minPort)
	}
	if name == "target" && host == "" {
		c.warn("--target %s names no host and means this machine", addr)
	}
}

// misread recognizes an address that is only a port or ports, or a URL. It explains what is
// wrong with it and what was probably meant; host is the usual host, and ranges tells whether
// a range of ports is valid with one. It returns "" for any other address.
func misread(addr, host string, ranges bool) string {
	scheme, _, isURL := strings.Cut(addr, "://")
	first, last, isRange := strings.Cut(addr, "-")
	switch {
	case isURL && scheme != "" && !strings.ContainsAny(scheme, `/\`):
		return fmt.Sprintf("%q begins with %s://, and addresses here have no scheme: write host:port", addr, scheme)
	case !isRange && isNumber(addr):
		return fmt.Sprintf("%q is a port without a host: was %q meant?", addr, host+":"+addr)
	case ranges && isRange && isNumber(first) && isNumber(last):
		return fmt.Sprintf("%q is a range of ports without a host: was %q meant?", addr, host+":"+addr)
	}
	return ""
}

func isNumber(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// checkUnix checks the path of a unix socket.
func (c *Config) checkUnix(name, addr string, fail failFunc) {
	limit := address.MaxUnixPath
	if address.IsAbstract(addr) {
		limit++ // an abstract name has no NUL at its end
	}
	switch {
	case len(addr) > limit:
		fail(name, "%q has %d bytes, valid for the path of a unix socket are %d at most", addr, len(addr), limit)
	case address.IsAbstract(addr) && !address.HasAbstract:
		fail(name, "%q is an abstract name of a unix socket, which only Linux has; write ./%s for a file of that name", addr, addr)
	case addr == "@":
		fail(name, "%q is an abstract name with nothing behind the @: write a name there", addr)
	case !address.IsAbstract(addr):
		c.checkUnixPath(name, addr, fail)
	}
}

func (c *Config) checkUnixPath(name, path string, fail failFunc) {
	if !strings.ContainsAny(path, `/\`) {
		c.warn("--%s %s has no port and is taken for the path of a unix socket", name, path)
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
	case name == "target": // the target may start later than we do
		c.warn("--target %s is taken for the path of a unix socket, and there is no directory %s yet", path, dir)
	case err == nil:
		fail(name, "%q is taken for the path of a unix socket, as it has no port, but %s is not a directory", path, dir)
	default:
		fail(name, "%q is taken for the path of a unix socket, as it has no port: %v", path, err)
	}
}

// checkSocketMode refuses a mode that could not be applied, because users rely on it for
// protection.
func (c *Config) checkSocketMode(fail failFunc) {
	if c.SocketMode == "" {
		return
	}
	_, err := parseMode(c.SocketMode)
	switch {
	case err != nil:
		fail("socketmode", "%q is not a mode, valid values are 0001 to 0777, octal", c.SocketMode)
	case runtime.GOOS == "windows":
		fail("socketmode", "this system has no modes of files: leave it out")
	case address.IsAbstract(c.LocalAddr) || !address.IsUnixPath(c.LocalAddr):
		fail("socketmode", "--localaddr %s is not the path of a unix socket, and has no mode: leave it out", c.LocalAddr)
	}
}

func parseMode(text string) (fs.FileMode, error) {
	mode, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 32)
	if err == nil && (mode == 0 || mode > 0o777) {
		err = strconv.ErrRange
	}
	return fs.FileMode(mode), err
}

// FileMode is the mode of the unix socket that the client listens on; 0 leaves it to the
// umask. Check must be called first.
func (c *Config) FileMode() fs.FileMode {
	mode, _ := parseMode(c.SocketMode) // 0 if there is none
	return mode
}
