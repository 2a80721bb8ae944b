//go:build unix

package main

import "syscall"

// wantFiles is more than the most streams need.
const wantFiles = 65536

// raiseNoFile raises the limit of open files, of this process and of those it
// starts, as far as it has the right to: the case with the most streams needs a
// little more than 10,000.
func raiseNoFile() {
	var lim syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim) != nil {
		return
	}
	want := lim
	want.Cur, want.Max = max(lim.Cur, wantFiles), max(lim.Max, wantFiles)
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want) != nil {
		lim.Cur = lim.Max // without the right to raise the hard limit
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
	}
}
