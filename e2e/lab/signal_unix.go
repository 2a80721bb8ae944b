//go:build unix

package lab

import "syscall"

// countersSignal makes a program log its counters.
const countersSignal = syscall.SIGUSR1
