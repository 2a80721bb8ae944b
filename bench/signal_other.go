//go:build !unix

package main

import "os"

// dumpSignal only fails: there is no such signal.
var dumpSignal = os.Interrupt
