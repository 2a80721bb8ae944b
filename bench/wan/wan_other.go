//go:build !linux

package wan

import (
	"context"
	"errors"

	"kcptun/e2e/lab"
)

var errSystem = errors.New("-link needs Linux")

// Link does not exist on this system.
type Link struct {
	Near, Far Place
	Up, Down  *lab.Pipe
}

// Possible says why there is no link.
func Possible() error { return errSystem }

// Open always fails.
func Open(Cell, uint64) (*Link, error) { return nil, errSystem }

// Begin does nothing.
func (l *Link) Begin() {}

// Close does nothing.
func (l *Link) Close() {}

// HasCongestion is never called.
func HasCongestion(string) bool { return false }

// Target always fails.
func (l *Link) Target(context.Context, string) (*lab.Target, lab.Dial, error) {
	return nil, nil, errSystem
}
