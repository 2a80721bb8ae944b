// Package build holds the constants that build tags decide: what was left out of a program.
package build
