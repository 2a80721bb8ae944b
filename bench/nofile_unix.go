//go:build unix

package main

import "syscall"

// wantFiles is enough for the case with the most streams.
const wantFiles = 65536

// raiseNoFile raises the limit on open files for this process and its children, as far as
// permitted. The case with the most streams needs a little more than 10,000.
func raiseNoFile() {
	var lim syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim) != nil {
		return
	}
	want := lim
	want.Cur, want.Max = max(lim.Cur, wantFiles), max(lim.Max, wantFiles)
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want) != nil {
		lim.Cur = lim.Max // not permitted to raise the hard limit
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
	}
}
