package config

import (
	"fmt"
	"math"
	"strings"

	"kcptun/std/crypt"
)

// Setting is one row of the table of settings: its flag, its JSON key, what it means and
// what is valid. The flags, the warnings about JSON, the checks, the banner and the flag
// reference in docs/ are all made from this table.
type Setting struct {
	Name   string // of the flag
	Short  string // alternative name of the flag
	Key    string // in JSON; "" for none
	Hidden bool   // left out of the help text

	roles  Role
	value  value // points to a field of Config
	usage  string
	unused string // why this setting has no effect now; "" if it has
	needed bool   // must be given: the default is only an example
	env    string // environment variable that gives it
}

// settings returns the table, which points to the fields of c, in the order of the help
// text.
func settings(c *Config) []Setting {
	const positive, huge = 1, math.MaxInt32
	const window = 65535 // windows have 16 bits on the wire
	notManual := unless(c.Mode == modeManual, "the mode is not manual")
	return []Setting{
		{roles: Client, Name: "localaddr", Short: "l", Key: "localaddr", value: text{&c.LocalAddr}, usage: "address for applications: host:port, or the path of a unix socket"},
		{roles: Client, Name: "socketmode", Key: "socketmode", value: text{&c.SocketMode}, usage: "mode of the file in octal, such as 0600, if --localaddr is the path of a unix socket; by default the umask decides"},
		{roles: Client, Name: "remoteaddr", Short: "r", Key: "remoteaddr", value: text{&c.RemoteAddr}, needed: true, usage: "kcptun server, host:port, or host:min-max for a random port in each new session; of several, separated by commas, the first that answers is used"},
		{roles: Server, Name: "listen", Short: "l", Key: "listen", value: text{&c.Listen}, usage: "address for clients: host:port, or host:min-max for every port of a range"},
		{roles: Server, Name: "target", Short: "t", Key: "target", value: text{&c.Target}, usage: "address that streams are connected to: host:port, or the path of a unix socket"},
		{roles: Both, Name: "key", Key: "key", value: secret{text{&c.Key}}, env: KeyEnv, usage: "pre-shared key, the same at both ends; ps shows it here, so prefer the environment or the JSON file"},
		{roles: Both, Name: "crypt", Key: "crypt", value: choice{text{&c.Crypt}, crypt.Names(), crypt.Aliases()}, usage: "packet cipher, the same at both ends"},
		{roles: Both, Name: "mode", Key: "mode", value: choice{text{&c.Mode}, ModeNames(), nil}, usage: "auto measures the link and sends at the rate that it finds, whatever the other end is; fast3 to normal are KCP's modes, fast3 retransmits most eagerly; manual takes --nodelay, --interval, --resend, --nc"},
		{roles: Both, Name: "QPP", Key: "qpp", value: toggle{&c.QPP}, usage: "encrypt streams with a quantum permutation pad on top, the same at both ends"},
		{roles: Both, Name: "QPPCount", Key: "qpp-count", value: number{to: &c.QPPCount, min: 1, max: 65535}, unused: unless(c.QPP, "QPP is off"), usage: "number of pads for QPP, the same at both ends; a prime is best"},
		{roles: Client, Name: "conn", Key: "conn", value: number{to: &c.Conn, min: positive, max: 65535}, usage: "number of sessions, used in turn"},
		{roles: Client, Name: "autoexpire", Key: "autoexpire", value: number{to: &c.AutoExpire, max: huge, below: new(0)}, usage: "seconds after which a session is replaced by a new one; 0 is never"},
		{roles: Client, Name: "scavengettl", Key: "scavengettl", value: number{to: &c.ScavengeTTL, min: -1, max: huge, below: new(-1)}, usage: "seconds that a replaced session may keep its streams; -1 is as long as they last"},
		{roles: Both, Name: "mtu", Key: "mtu", value: number{to: &c.MTU, min: 100, max: 1500, above: new(1500)}, usage: "maximum UDP payload in bytes, everything in it included"},
		{roles: Both, Name: "ratelimit", Key: "ratelimit", value: number{to: &c.RateLimit, max: maxRate}, usage: "maximum bytes per second that each session sends, everything included; 0 is no limit"},
		{roles: Both, Name: "sndwnd", Key: "sndwnd", value: number{to: &c.SndWnd, min: positive, max: window, below: new(defaultWindow), above: new(window)}, usage: "send window in packets"},
		{roles: Both, Name: "rcvwnd", Key: "rcvwnd", value: number{to: &c.RcvWnd, min: positive, max: window, below: new(defaultWindow), above: new(window)}, usage: "receive window in packets"},
		{roles: Both, Name: "datashard", Short: "ds", Key: "datashard", value: number{to: &c.DataShard, max: 256, below: new(0)}, usage: "data packets in a group of forward error correction; 0 turns it off"},
		{roles: Both, Name: "parityshard", Short: "ps", Key: "parityshard", value: number{to: &c.ParityShard, max: 256, below: new(0)}, usage: "parity packets added to each group; 0 turns it off"},
		{roles: Both, Name: "dscp", Key: "dscp", value: number{to: &c.DSCP, max: 63}, usage: "DSCP mark of the datagrams, IPv4 and IPv6"},
		{roles: Both, Name: "nocomp", Key: "nocomp", value: toggle{&c.NoComp}, usage: "do not compress, the same at both ends"},
		{roles: Both, Name: "acknodelay", Key: "acknodelay", value: toggle{&c.AckNodelay}, Hidden: true, usage: "acknowledge each packet at once"},
		{roles: Both, Name: "nodelay", Key: "nodelay", value: number{to: &c.NoDelay, max: 1, below: new(0), above: new(1)}, unused: notManual, Hidden: true, usage: "mode manual: 1 halves the growth of the retransmission timeout"},
		{roles: Both, Name: "interval", Key: "interval", value: number{to: &c.Interval, min: 10, max: 5000, below: new(10), above: new(5000)}, unused: notManual, Hidden: true, usage: "mode manual: milliseconds between two flushes"},
		{roles: Both, Name: "resend", Key: "resend", value: number{to: &c.Resend, max: huge, below: new(0)}, unused: notManual, Hidden: true, usage: "mode manual: acknowledgements of later segments after which a segment is retransmitted; 0 is never"},
		{roles: Both, Name: "nc", Key: "nc", value: number{to: &c.NoCongestion, max: 1, below: new(0), above: new(1)}, unused: notManual, Hidden: true, usage: "mode manual: 1 turns congestion control off"},
		{roles: Both, Name: "sockbuf", Key: "sockbuf", value: number{to: &c.SockBuf, min: positive, max: huge}, usage: "size of the socket buffers in bytes, for each direction"},
		{roles: Both, Name: "memlimit", Key: "memlimit", value: number{to: &c.MemLimit, max: maxMemLimit}, unused: unless(c.Auto(), "the mode is not auto"), usage: "mode auto: maximum MiB that the windows and buffers of all sessions hold; 0 is an eighth of the machine's memory, 8 to 512"},
		{roles: Both, Name: "smuxver", Key: "smuxver", value: number{to: &c.SmuxVer, min: 1, max: 2}, usage: "smux version, the same at both ends"},
		{roles: Both, Name: "smuxbuf", Key: "smuxbuf", value: number{to: &c.SmuxBuf, min: positive, max: huge}, usage: "unread bytes that a session may hold for its streams"},
		{roles: Both, Name: "framesize", Key: "framesize", value: number{to: &c.FrameSize, min: positive, max: 65535}, usage: "maximum size of the smux frames that are sent, in bytes"},
		{roles: Both, Name: "streambuf", Key: "streambuf", value: number{to: &c.StreamBuf, min: positive, max: huge}, usage: "unread bytes that a stream may hold, smux 2 only"},
		{roles: Both, Name: "keepalive", Key: "keepalive", value: number{to: &c.KeepAlive, min: positive, max: 86400}, usage: "seconds between keepalives; a silent peer is given up after three of them, but not before 30 s"},
		{roles: Both, Name: "closewait", Key: "closewait", value: number{to: &c.CloseWait, max: huge, below: new(0)}, usage: "seconds of silence after which a half-closed stream is closed; 0 leaves that to the other end"},
		{roles: Both, Name: "snmplog", Key: "snmplog", value: text{&c.SnmpLog}, usage: "file to append the counters to, as CSV; its name may contain Go's reference time, as in ./snmp-20060102.log"},
		{roles: Both, Name: "snmpperiod", Key: "snmpperiod", value: number{to: &c.SnmpPeriod, max: 86400 * 365}, unused: unless(c.SnmpLog != "", "there is no --snmplog"), usage: "seconds between lines of --snmplog; 0 turns it off"},
		{roles: Both, Name: "log", Key: "log", value: text{&c.Log}, usage: "file to append the log to, instead of standard error"},
		{roles: Both, Name: "quiet", Key: "quiet", value: toggle{&c.Quiet}, usage: "do not log streams"},
		{roles: Both, Name: "tcp", Key: "tcp", value: toggle{&c.TCP}, usage: "imitate TCP on the wire; Linux only, needs the rights to use raw sockets and iptables"},
		{roles: Both, Name: "pprof", Key: "pprof", value: toggle{&c.Pprof}, usage: "serve Go's profiles on 127.0.0.1:6060"},
	}
}

// defaultWindow is KCP's own window in packets, which kcp-go keeps if it is given 0 or
// less.
const defaultWindow = 32

// maxMemLimit is the largest --memlimit in MiB, as an int must hold the bytes.
const maxMemLimit = min(1<<20, math.MaxInt>>20)

func unless(used bool, why string) string {
	if used {
		return ""
	}
	return why
}

// maxRate is the largest --ratelimit: 32 bits, or less if an int is smaller.
const maxRate = min(math.MaxUint32, math.MaxInt)

// Value returns the setting's value: a string, int or bool.
func (s Setting) Value() any { return s.value.current() }

// Flag returns the setting's name on the command line.
func (s Setting) Flag() string { return "--" + s.Name }

// Choices returns all valid values; nil if they cannot be listed.
func (s Setting) Choices() []string {
	if c, is := s.value.(choice); is {
		return c.names
	}
	return nil
}

// IsSwitch reports whether the setting is on or off, so that its flag needs no value.
func (s Setting) IsSwitch() bool { _, is := s.value.(toggle); return is }

// IsSecret reports whether the value must not be shown.
func (s Setting) IsSecret() bool { _, is := s.value.(secret); return is }

// Valid says which values the setting takes; "" for any text.
func (s Setting) Valid() string { return s.value.valid() }

// Set sets the value from a command line.
func (s Setting) Set(text string) error {
	if !s.value.set(text) {
		return s.fault(fmt.Sprintf("%q is not valid, valid values are %s", text, s.Valid()))
	}
	return nil
}

// Switch returns a flag that is on or off and is not a setting.
func Switch(name string, to *bool) Setting { return Setting{Name: name, value: toggle{to}} }

// Help says what the setting means, with its choices, default and environment variable.
func (s Setting) Help() string {
	text := s.usage
	if names := s.Choices(); len(names) > 0 {
		text += "; one of " + strings.Join(names, ", ")
	}
	switch v := s.Value().(type) {
	case int:
		text += fmt.Sprintf(" (default: %d)", v)
	case string:
		if v != "" {
			text += fmt.Sprintf(" (default: %q)", v)
		}
	}
	if s.env != "" {
		text += " [$" + s.env + "]"
	}
	return text
}

func (s Setting) fault(reason string) error {
	return &Error{Flag: s.Flag(), Key: s.Key, Reason: reason}
}

// check validates the setting by itself. If it is clear which value was meant, it sets that
// value and warns.
func (s Setting) check(warn func(format string, args ...any)) (reason string) {
	p := s.value.check()
	switch {
	case p.what == "":
	case s.unused != "":
		warn("%v", s.fault(p.what+", and is ignored, as "+s.unused))
	case p.mend != nil:
		p.mend()
		warn("%v", s.fault(p.what+p.more))
	default:
		return p.what + p.more
	}
	return ""
}
