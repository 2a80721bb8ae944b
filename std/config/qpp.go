package config

import (
	"errors"
	"fmt"

	"kcptun/std/build"
)

// Limits given by the authors of QPP for pads of 8 bits: with a shorter seed or fewer pads
// it is weaker than they claim.
const (
	qppMinSeed = 211 // bytes
	qppMinPads = 7
	qppMaxPads = 65535 // the count is 16 bits wide
	qppPadBits = 8
)

// ValidateQPPParams returns an error if QPP cannot work, and warnings if it is weaker than
// its authors claim.
func ValidateQPPParams(count int, key string) (warnings []string, err error) {
	if !build.QPP {
		return nil, errors.New("this program was built without QPP (tag noqpp), only false is valid")
	}
	if count <= 0 || count > qppMaxPads {
		return nil, fmt.Errorf("QPPCount %d is out of range, valid values are 1 to %d", count, qppMaxPads)
	}
	if len(key) < qppMinSeed {
		warnings = append(warnings, fmt.Sprintf("QPP asks for a key of %d bytes or more, this one has %d", qppMinSeed, len(key)))
	}
	if count < qppMinPads {
		warnings = append(warnings, fmt.Sprintf("QPP asks for a QPPCount of %d or more, this is %d", qppMinPads, count))
	}
	if count%2 == 0 { // only odd numbers are coprime to 8
		warnings = append(warnings, fmt.Sprintf("QPP asks for a QPPCount that is coprime to %d, %d is even: take a prime", qppPadBits, count))
	}
	return warnings, nil
}
