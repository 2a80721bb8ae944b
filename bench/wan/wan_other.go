//go:build !linux

package wan

import (
	"context"
	"errors"

	"kcptun/e2e/lab"
)

var errSystem = errors.New("-link needs Linux")

// Link is not here.
type Link struct {
	Near, Far Place
	Up, Down  *lab.Pipe
}

// Possible is why a link is not.
func Possible() error { return errSystem }

// Open only fails.
func Open(Cell, uint64) (*Link, error) { return nil, errSystem }

// Begin does nothing.
func (l *Link) Begin() {}

// Close does nothing.
func (l *Link) Close() {}

// HasCongestion is false: nobody asks.
func HasCongestion(string) bool { return false }

// Target only fails.
func (l *Link) Target(context.Context, string) (*lab.Target, lab.Dial, error) {
	return nil, nil, errSystem
}
