// Package lab holds the parts of a test network for the tunnel: a relay that
// makes UDP bad on purpose, a target that speaks a tiny protocol, the traffic
// that checks every byte against it, and a holder of running programs. It does
// not depend on package testing, so that demonstrations and benchmarks use the
// same parts as the tests.
package lab
