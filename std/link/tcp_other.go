//go:build !linux

package link

import (
	"context"
	"errors"
)

var errNoTCP = errors.New("--tcp works on Linux only")

// DialTCP is for Linux only.
func DialTCP(context.Context, Options, string) (*Conn, error) { return nil, errNoTCP }

// ListenTCP is for Linux only.
func ListenTCP(context.Context, Options, string) (*Conn, error) { return nil, errNoTCP }

// CheckTCP is for Linux only.
func CheckTCP() ([]string, error) { return nil, errNoTCP }

// tcpNumbers are what a segment of the imitation of TCP says: nothing here.
type tcpNumbers struct{}
