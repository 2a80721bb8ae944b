//go:build noqpp

package std

import (
	"errors"
	"io"
)

// QPPLicence is empty: this build is not linked with QPP.
const QPPLicence = ""

func qppWrapper(int, string) func(io.ReadWriteCloser) io.ReadWriteCloser { return nil }

// ValidateQPPParams refuses: this build has no QPP.
func ValidateQPPParams(int, string) (warnings []string, err error) {
	return nil, errors.New("this program was built without QPP (tag noqpp), valid is false")
}
