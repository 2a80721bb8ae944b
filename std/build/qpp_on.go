//go:build !noqpp

package build

// QPP tells whether the program is linked with QPP, which puts it under the GPL-3.0.
const QPP = true
