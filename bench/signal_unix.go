//go:build unix

package main

import "syscall"

// dumpSignal makes a program log its counters.
const dumpSignal = syscall.SIGUSR1
