//go:build !linux

package lab

import (
	"errors"
	"time"
)

var errNoProc = errors.New("measuring processes needs linux")

// RSS needs Linux.
func (p *Process) RSS() (int64, error) { return 0, errNoProc }

// PeakRSS needs Linux.
func (p *Process) PeakRSS() (int64, error) { return 0, errNoProc }

// CPU needs Linux.
func (p *Process) CPU() (time.Duration, error) { return 0, errNoProc }

// FDs needs Linux.
func (p *Process) FDs() (int, error) { return 0, errNoProc }
