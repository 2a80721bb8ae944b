//go:build noqpp

package build

// QPP tells whether the program is linked with QPP: not with the tag noqpp.
const QPP = false
