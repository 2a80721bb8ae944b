package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/xtaci/kcp-go/v5"
	"github.com/xtaci/smux"

	"kcptun/e2e/lab"
)

// stockCommand makes this program a client of kcp-go's own: what the last builds of the
// original are, with windows and buffers that do not limit a download.
const stockCommand = "stock-client"

// Settings of the stock client, besides the original's defaults.
const (
	stockWindow = 8192     // packets
	stockBuffer = 64 << 20 // bytes for all streams
	stockStream = 16 << 20 // bytes for each
)

// serveStock accepts connections at an address, and opens a stream to a server for each. It
// ends at a signal, or together with the bench.
func serveStock(args []string) error {
	if len(args) != 3 {
		return errors.New("want the local address, the server's address and the key")
	}
	sess, err := stockSession(args[1], args[2])
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", args[0])
	if err != nil {
		return errors.Join(err, sess.Close())
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { carry(conn, sess) })
		}
	})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for parent := os.Getppid(); ctx.Err() == nil && os.Getppid() == parent; {
		_ = lab.Sleep(ctx, time.Second)
	}
	err = errors.Join(ln.Close(), sess.Close()) // which ends all streams
	wg.Wait()
	return err
}

func stockSession(remote, key string) (*smux.Session, error) {
	salt := []byte("kcp-go") // as every kcptun has it
	derived, err := pbkdf2.Key(sha1.New, key, salt, 4096, 32)
	if err != nil {
		return nil, err
	}
	block, err := kcp.NewAESBlockCrypt(derived)
	if err != nil {
		return nil, err
	}
	conn, err := kcp.DialWithOptions(remote, block, 10, 3)
	if err != nil {
		return nil, err
	}
	//lint:ignore SA1019 stream mode is what the wire has, and kcp-go has no other call for it
	conn.SetStreamMode(true)
	conn.SetNoDelay(1, 10, 2, 1)
	conn.SetWindowSize(stockWindow, stockWindow)
	if !conn.SetMtu(1350) {
		return nil, errors.Join(errors.New("kcp-go refuses the mtu"), conn.Close())
	}
	cfg := smux.DefaultConfig()
	cfg.Version, cfg.MaxReceiveBuffer, cfg.MaxStreamBuffer, cfg.MaxFrameSize = 2, stockBuffer, stockStream, 8192
	sess, err := smux.Client(conn, cfg)
	if err != nil {
		return nil, fmt.Errorf("smux: %w", errors.Join(err, conn.Close()))
	}
	return sess, nil
}

// carry copies between a connection and a new stream until one of them ends.
func carry(conn net.Conn, sess *smux.Session) {
	defer conn.Close()
	stream, err := sess.OpenStream()
	if err != nil {
		return
	}
	defer stream.Close()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(stream, conn) // the bench sees how a transfer ends
		_ = stream.Close()
	})
	_, _ = io.Copy(conn, stream)
	_ = conn.Close()
	wg.Wait()
}
