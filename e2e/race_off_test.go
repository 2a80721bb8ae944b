//go:build !race

package e2e_test

// raceDetector tells that this test binary, and so the programs it builds, are
// under the race detector.
const raceDetector = false
