//go:build !nopprof

package build

// Pprof tells whether the program can serve profiles.
const Pprof = true
