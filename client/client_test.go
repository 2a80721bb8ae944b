package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"kcptun/std/testkit"
)

var _ func(*Config, string) error = parseJSONConfig

// The names and types used by tests of other programs.
func TestConfigFields(t *testing.T) {
	c := Config{
		LocalAddr: "", RemoteAddr: "", Key: "", Crypt: "", Mode: "", Conn: int(1), MTU: int(1), SndWnd: int(1), RcvWnd: int(1),
		DataShard: int(1), ParityShard: int(1), NoComp: true, AckNodelay: true, CloseWait: int(1), TCP: true,
	}
	path := filepath.Join(t.TempDir(), "c.json")
	if err := os.WriteFile(path, []byte(`{"localaddr":":1","remoteaddr":"x:2","key":"k","closewait":7,"tcp":false}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := parseJSONConfig(&c, path); err != nil || c.LocalAddr != ":1" || c.RemoteAddr != "x:2" || c.Key != "k" || c.CloseWait != 7 || c.TCP || !c.NoComp {
		t.Errorf("%+v, %v", c, err)
	}
	if err := parseJSONConfig(&c, path+".no"); err == nil {
		t.Error("no error for a missing file")
	}
	if VERSION != "SELFBUILD" {
		t.Error(VERSION)
	}
}

// An application talks through run, over TCP and over a unix socket, with one session and
// with three in turn.
func TestRun(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"abstract": func(c *Config) {
			if runtime.GOOS == "linux" {
				c.LocalAddr = fmt.Sprintf("@kcptun-client-test-%d", os.Getpid())
			}
		},
		"tcp":            func(*Config) {},
		"unix":           func(c *Config) { c.LocalAddr = filepath.Join(t.TempDir(), "s") },
		"three sessions": func(c *Config) { c.Conn = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NoLeak(t)
			server := newEchoServer(t)
			cfg := clientConfig(server.Addr)
			change(cfg)
			s := start(t, cfg)
			if s.log.Count("session opened") != 0 {
				t.Error("a session before anybody asked for one")
			}
			for range 4 {
				conn := s.dial(t)
				echo(t, conn, "hello")
				if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if rest, err := io.ReadAll(conn); len(rest) != 0 || err != nil {
					t.Error(rest, err)
				}
			}
			testkit.Eventually(t, "all are closed", func() bool { return s.log.Count("stream closed") == 4 })
			testkit.Eventually(t, "its sessions are open", func() bool { return s.log.Count("session opened") == cfg.Conn })
			if err := s.end(t); err != nil {
				t.Error(err)
			}
			testkit.Contains(t, s.log.String(), `reason="application finished, then server"`, "up=5 down=5", `msg="session closed"`, `reason="client ends"`)
			if conn, err := net.Dial(s.network, s.addr); err == nil {
				conn.Close()
				t.Error("it still listens")
			}
		})
	}
}

func TestRunFailsEarly(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, change := range map[string]func(*Config){
		"port taken":     func(c *Config) { c.LocalAddr = taken.Addr().String() },
		"unknown cipher": func(c *Config) { c.Crypt = "x" },
		"bad address":    func(c *Config) { c.RemoteAddr = "x" },
	} {
		testkit.NoLeak(t)
		cfg := clientConfig("127.0.0.1:9")
		change(cfg)
		env, _ := newEnv()
		if err := run(context.Background(), cfg, env); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
