//go:build race

package e2e_test

// raceDetector reports whether this test binary, and so the programs it builds, run under
// the race detector.
const raceDetector = true
