// Package config owns the settings: the table of them, their values, where each came from,
// what is valid and what deserves a warning. It opens only the settings file, and does not
// know what the values are used for.
package config

import (
	"slices"
)

// Role is the end of the tunnel at which a program runs.
type Role uint8

// The two ends. Their sum stands for both.
const (
	Client Role = 1 << iota
	Server
	Both = Client | Server
)

func (r Role) String() string {
	if r == Server {
		return "server"
	}
	return "client"
}

// DefaultKey is the pre-shared key when none is given. Its spelling is fixed by the wire.
const DefaultKey = "it's a secrect"

// PlaceholderKey stands for a key in the example files, and is refused.
const PlaceholderKey = "replace this with a key of your own, such as genkey prints"

// KeyEnv is the environment variable that gives the key.
const KeyEnv = "KCPTUN_KEY"

// Config holds the settings of both ends; an end ignores those of the other. settings.go
// says what each means, check.go what is valid.
type Config struct {
	LocalAddr    string `json:"localaddr"`
	SocketMode   string `json:"socketmode"`
	RemoteAddr   string `json:"remoteaddr"`
	Listen       string `json:"listen"`
	Target       string `json:"target"`
	Key          string `json:"key"`
	Crypt        string `json:"crypt"`
	Mode         string `json:"mode"`
	QPP          bool   `json:"qpp"`
	QPPCount     int    `json:"qpp-count"`
	Conn         int    `json:"conn"`
	AutoExpire   int    `json:"autoexpire"`
	ScavengeTTL  int    `json:"scavengettl"`
	MTU          int    `json:"mtu"`
	RateLimit    int    `json:"ratelimit"`
	SndWnd       int    `json:"sndwnd"`
	RcvWnd       int    `json:"rcvwnd"`
	DataShard    int    `json:"datashard"`
	ParityShard  int    `json:"parityshard"`
	DSCP         int    `json:"dscp"`
	NoComp       bool   `json:"nocomp"`
	AckNodelay   bool   `json:"acknodelay"`
	NoDelay      int    `json:"nodelay"`
	Interval     int    `json:"interval"`
	Resend       int    `json:"resend"`
	NoCongestion int    `json:"nc"`
	SockBuf      int    `json:"sockbuf"`
	SmuxVer      int    `json:"smuxver"`
	MemLimit     int    `json:"memlimit"`
	SmuxBuf      int    `json:"smuxbuf"`
	FrameSize    int    `json:"framesize"`
	StreamBuf    int    `json:"streambuf"`
	KeepAlive    int    `json:"keepalive"`
	CloseWait    int    `json:"closewait"`
	SnmpLog      string `json:"snmplog"`
	SnmpPeriod   int    `json:"snmpperiod"`
	Log          string `json:"log"`
	Quiet        bool   `json:"quiet"`
	TCP          bool   `json:"tcp"`
	Pprof        bool   `json:"pprof"`

	// Warnings lists oddities found while the settings were read and checked.
	Warnings []string `json:"-"`

	given map[string]Source // by name, of settings not at their defaults; nil: sources are not tracked
}

// Default returns the settings of an end when nothing is given.
func Default(r Role) Config {
	c := Config{
		Key: DefaultKey, Crypt: "aes", Mode: "fast", QPPCount: 61,
		MTU: 1350, DataShard: 10, ParityShard: 3, Interval: 50,
		SockBuf: 4 << 20, SmuxVer: 2, SmuxBuf: 4 << 20, FrameSize: 8192, StreamBuf: 2 << 20,
		KeepAlive: 10, SnmpPeriod: 60,
	}
	if r == Server {
		c.Listen, c.Target = ":29900", "127.0.0.1:12948"
		c.SndWnd, c.RcvWnd = 1024, 1024
		c.CloseWait = 30
		return c
	}
	c.LocalAddr, c.RemoteAddr = ":12948", "vps:29900"
	c.Conn, c.ScavengeTTL = 1, 600
	c.SndWnd, c.RcvWnd = 128, 512
	return c
}

// Tracked returns the defaults, and makes the Config record the source of each value.
func Tracked(r Role) Config {
	c := Default(r)
	c.given = make(map[string]Source)
	return c
}

// WritesCounters reports whether counters are written to a file.
func (c *Config) WritesCounters() bool { return c.SnmpLog != "" && c.SnmpPeriod > 0 }

// sees reports whether the setting exists for the role.
func (r Role) sees(s Setting) bool { return s.roles&r != 0 }

// Settings returns the settings of a role, which point to the fields of c.
func (r Role) Settings(c *Config) []Setting {
	return slices.DeleteFunc(settings(c), func(s Setting) bool { return !r.sees(s) })
}
