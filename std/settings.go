package std

import (
	"math"
	"reflect"

	"kcptun/std/crypt"
)

// setting is one row of the table of settings: what flag and JSON key give it,
// what it means and what is valid. Flags, JSON warnings, range checks, the
// banner and the flag reference in docs/ all come from this table.
type setting struct {
	roles Role
	name  string // of the flag
	short string // second name of the flag
	key   string // of JSON; "" for none
	value any    // *string, *int or *bool, a field of Config
	usage string
	min   int // for *int
	max   int // for *int
	// below and above are what is in force in place of a number below min or above
	// max, where the original or kcp-go takes such a number too; nil: it is an error.
	below, above *int
	choices      []string          // for *string
	aliases      map[string]string // other names of choices
	unused       string            // why this setting has no effect now; "" where it has
	hidden       bool              // not in the help text
	needed       bool              // must be given: the default is but an example
	env          string
}

// settings is the table over the fields of c, in the order of the help text.
func settings(c *Config) []setting {
	const positive, huge = 1, math.MaxInt32
	const window = 65535 // a window is told in 16 bits
	notManual := unless(c.Mode == modeManual, "the mode is not manual")
	return []setting{
		{roles: Client, name: "localaddr", short: "l", key: "localaddr", value: &c.LocalAddr, usage: "address for applications: host:port, or the path of a unix socket"},
		{roles: Client, name: "socketmode", key: "socketmode", value: &c.SocketMode, usage: "mode of the file in octal, such as 0600, if --localaddr is the path of a unix socket; by default the umask decides"},
		{roles: Client, name: "remoteaddr", short: "r", key: "remoteaddr", value: &c.RemoteAddr, needed: true, usage: "kcptun server, host:port or host:min-max; of a range each new session takes a random port"},
		{roles: Server, name: "listen", short: "l", key: "listen", value: &c.Listen, usage: "address for clients: host:port, or host:min-max for every port of a range"},
		{roles: Server, name: "target", short: "t", key: "target", value: &c.Target, usage: "address that streams are connected to: host:port, or the path of a unix socket"},
		{roles: both, name: "key", key: "key", value: &c.Key, env: KeyEnv, usage: "pre-shared key, the same at both ends; ps shows it here, so prefer the environment or the JSON file"},
		{roles: both, name: "crypt", key: "crypt", value: &c.Crypt, choices: crypt.Names(), aliases: crypt.Aliases(), usage: "packet cipher, the same at both ends"},
		{roles: both, name: "mode", key: "mode", value: &c.Mode, choices: ModeNames(), usage: "auto measures the link and sends at the rate that it finds, whatever the other end is; fast3 to normal are KCP's modes, fast3 retransmits most eagerly; manual takes --nodelay, --interval, --resend, --nc"},
		{roles: both, name: "QPP", key: "qpp", value: &c.QPP, usage: "encrypt streams with a quantum permutation pad on top, the same at both ends"},
		{roles: both, name: "QPPCount", key: "qpp-count", value: &c.QPPCount, min: 1, max: 65535, unused: unless(c.QPP, "QPP is off"), usage: "number of pads for QPP, the same at both ends; a prime is best"},
		{roles: Client, name: "conn", key: "conn", value: &c.Conn, min: positive, max: 65535, usage: "number of sessions, used in turn"},
		{roles: Client, name: "autoexpire", key: "autoexpire", value: &c.AutoExpire, max: huge, below: new(0), usage: "seconds after which a session is replaced by a new one; 0 is never"},
		{roles: Client, name: "scavengettl", key: "scavengettl", value: &c.ScavengeTTL, min: -1, max: huge, below: new(-1), usage: "seconds that a replaced session may keep its streams; -1 is as long as they last"},
		{roles: both, name: "mtu", key: "mtu", value: &c.MTU, min: 100, max: 1500, above: new(1500), usage: "maximum UDP payload in bytes, everything in it included"},
		{roles: both, name: "ratelimit", key: "ratelimit", value: &c.RateLimit, max: maxRate, usage: "maximum bytes per second that each session sends, everything included; 0 is no limit"},
		{roles: both, name: "sndwnd", key: "sndwnd", value: &c.SndWnd, min: positive, max: window, below: new(defaultWindow), above: new(window), usage: "send window in packets"},
		{roles: both, name: "rcvwnd", key: "rcvwnd", value: &c.RcvWnd, min: positive, max: window, below: new(defaultWindow), above: new(window), usage: "receive window in packets"},
		{roles: both, name: "datashard", short: "ds", key: "datashard", value: &c.DataShard, max: 256, below: new(0), usage: "data packets in a group of forward error correction; 0 turns it off"},
		{roles: both, name: "parityshard", short: "ps", key: "parityshard", value: &c.ParityShard, max: 256, below: new(0), usage: "parity packets added to each group; 0 turns it off"},
		{roles: both, name: "dscp", key: "dscp", value: &c.DSCP, max: 63, usage: "DSCP mark of the datagrams, IPv4 and IPv6"},
		{roles: both, name: "nocomp", key: "nocomp", value: &c.NoComp, usage: "do not compress, the same at both ends"},
		{roles: both, name: "acknodelay", key: "acknodelay", value: &c.AckNodelay, hidden: true, usage: "acknowledge each packet at once"},
		{roles: both, name: "nodelay", key: "nodelay", value: &c.NoDelay, max: 1, below: new(0), above: new(1), unused: notManual, hidden: true, usage: "mode manual: 1 halves the growth of the retransmission timeout"},
		{roles: both, name: "interval", key: "interval", value: &c.Interval, min: 10, max: 5000, below: new(10), above: new(5000), unused: notManual, hidden: true, usage: "mode manual: milliseconds between two flushes"},
		{roles: both, name: "resend", key: "resend", value: &c.Resend, max: huge, below: new(0), unused: notManual, hidden: true, usage: "mode manual: acknowledgements of later segments after which a segment is retransmitted; 0 is never"},
		{roles: both, name: "nc", key: "nc", value: &c.NoCongestion, max: 1, below: new(0), above: new(1), unused: notManual, hidden: true, usage: "mode manual: 1 turns congestion control off"},
		{roles: both, name: "sockbuf", key: "sockbuf", value: &c.SockBuf, min: positive, max: huge, usage: "size of the socket buffers in bytes, for each direction"},
		{roles: both, name: "memlimit", key: "memlimit", value: &c.MemLimit, max: maxMemLimit, unused: unless(c.Auto(), "the mode is not auto"), usage: "mode auto: most MiB that windows and buffers of all sessions hold together; 0 is an eighth of the machine's memory, 8 to 512"},
		{roles: both, name: "smuxver", key: "smuxver", value: &c.SmuxVer, min: 1, max: 2, usage: "smux version, the same at both ends"},
		{roles: both, name: "smuxbuf", key: "smuxbuf", value: &c.SmuxBuf, min: positive, max: huge, usage: "unread bytes that a session may hold for its streams"},
		{roles: both, name: "framesize", key: "framesize", value: &c.FrameSize, min: positive, max: 65535, usage: "maximum size of the smux frames that are sent, in bytes"},
		{roles: both, name: "streambuf", key: "streambuf", value: &c.StreamBuf, min: positive, max: huge, usage: "unread bytes that a stream may hold, smux 2 only"},
		{roles: both, name: "keepalive", key: "keepalive", value: &c.KeepAlive, min: positive, max: 86400, usage: "seconds between keepalives; a silent peer is given up after three of them, but not before 30 s"},
		{roles: both, name: "closewait", key: "closewait", value: &c.CloseWait, max: huge, below: new(0), usage: "seconds of silence after which a half-closed stream is closed; 0 leaves that to the other end"},
		{roles: both, name: "snmplog", key: "snmplog", value: &c.SnmpLog, usage: "file to append the counters to, as CSV; its name may contain Go's reference time, as in ./snmp-20060102.log"},
		{roles: both, name: "snmpperiod", key: "snmpperiod", value: &c.SnmpPeriod, max: 86400 * 365, unused: unless(c.SnmpLog != "", "there is no --snmplog"), usage: "seconds between lines of --snmplog; 0 turns it off"},
		{roles: both, name: "log", key: "log", value: &c.Log, usage: "file to append the log to, instead of standard error"},
		{roles: both, name: "quiet", key: "quiet", value: &c.Quiet, usage: "do not log streams"},
		{roles: both, name: "tcp", key: "tcp", value: &c.TCP, usage: "imitate TCP on the wire; Linux only, needs the rights to use raw sockets and iptables"},
		{roles: both, name: "pprof", key: "pprof", value: &c.Pprof, usage: "serve Go's profiles on 127.0.0.1:6060"},
	}
}

// defaultWindow is KCP's own window in packets, which kcp-go keeps when it is given
// one of 0 or less.
const defaultWindow = 32

// maxMemLimit is the most that --memlimit takes, in MiB: what an int of bytes holds.
const maxMemLimit = min(1<<20, math.MaxInt>>20)

func unless(used bool, why string) string {
	if used {
		return ""
	}
	return why
}

// maxRate is the most that --ratelimit takes: 32 bits on machines where an int
// has more, else what an int holds.
const maxRate = min(math.MaxUint32, math.MaxInt)

// current is the setting's value: a string, int or bool.
func (s setting) current() any { return reflect.ValueOf(s.value).Elem().Interface() }

// flag is the setting's name on the command line.
func (s setting) flag() string { return "--" + s.name }
