//go:build noqpp

package relay

import "io"

// Pad is always nil: this build has no QPP.
type Pad struct{}

// NewPad is never called: settings that ask for QPP are refused.
func NewPad(int, string) *Pad { return nil }

// Wrap returns the stream itself.
func (*Pad) Wrap(stream io.ReadWriteCloser) io.ReadWriteCloser { return stream }
