//go:build !unix

package lab

import "os"

// countersSignal only fails: there is no such signal.
var countersSignal = os.Interrupt
