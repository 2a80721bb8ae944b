//go:build !unix

package lab

import "os"

// countersSignal always fails: this system has no such signal.
var countersSignal = os.Interrupt
