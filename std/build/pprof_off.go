//go:build nopprof

package build

// Pprof tells whether the program can serve profiles: not with the tag nopprof, which
// leaves net/http out.
const Pprof = false
