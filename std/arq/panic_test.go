package arq

import (
	"errors"
	"log/slog"
	"testing"

	"kcptun/std/rescue"
)

// A panic leaves no lock behind and nobody waits for what will never happen: the user of
// the Conn gets it, and can close the Conn. In the timer's goroutine it ends the Conn alone.
// It used to end the program, from any goroutine.
func TestPanicEndsTheConn(t *testing.T) {
	data := segment{conv: 9, cmd: cmdPush, wnd: 64, data: []byte("data")}
	packet := data.appendTo(nil)
	for name, prepare := range map[string]func(cfg *Config) (send func([]byte, Code)){
		"sending": func(*Config) func([]byte, Code) {
			return func([]byte, Code) { panic("send") }
		},
		"with the lock": func(cfg *Config) func([]byte, Code) {
			cfg.Count = func(Stats) { panic("count") }
			return func([]byte, Code) {}
		},
	} {
		for _, timer := range []bool{false, true} {
			cfg := Config{Conv: 9, MTU: 1300, Send: 64, Receive: 64, Panics: &rescue.Net{Log: slog.New(slog.DiscardHandler)}}
			send := prepare(&cfg)
			c := NewConn(cfg, nil, nil, send)
			ended := make(chan error, 1)
			go func() {
				var b [100]byte
				for {
					if _, err := c.Read(b[:]); err != nil {
						ended <- err
						return
					}
				}
			}()
			caught := func() (v any) {
				defer func() { v = recover() }()
				if timer {
					_ = c.Deliver(packet) // the timer acknowledges it
				} else {
					_, _ = c.Write([]byte("data"))
				}
				return nil
			}()
			var failure *rescue.Panic
			if timer {
				if err := <-ended; !errors.As(err, &failure) || cfg.Panics.Caught() != 1 || caught != nil {
					t.Errorf("%s, timer: %v, %d panics caught, %v", name, err, cfg.Panics.Caught(), caught)
				}
			} else if caught == nil {
				t.Errorf("%s: the writer did not get the panic", name)
			}
			done := make(chan error, 1)
			go func() { done <- c.Close() }()
			within(t, name+": the end", done)
		}
	}
}

// What a session tells its Conn from other goroutines leaves no lock behind when it panics.
// The end of the session used to wait for it for ever.
func TestPanicReleasesTheConn(t *testing.T) {
	for name, call := range map[string]func(*Conn){
		"Vouch":    (*Conn).Vouch,
		"SetMTU":   func(c *Conn) { c.SetMTU(1000) },
		"Protect":  (*Conn).Protect,
		"TellRuns": (*Conn).TellRuns,
		"View":     func(c *Conn) { c.View() },
		"Timeout":  func(c *Conn) { c.Timeout() },
		"Pending":  func(c *Conn) { c.Pending() },
		"Deliver":  func(c *Conn) { _ = c.Deliver(nil) },
	} {
		c := NewConn(Config{Conv: 9, MTU: 1300, Send: 64, Receive: 64}, nil, nil, func([]byte, Code) {})
		engine := c.engine
		c.engine = nil
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			call(c)
		}()
		c.engine = engine
		done := make(chan error, 1)
		go func() { done <- c.Close() }()
		within(t, name+": the end", done)
	}
}
