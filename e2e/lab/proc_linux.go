package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc (USER_HZ): 100 per second on every Linux that
// Go supports.
const clockTick = 10 * time.Millisecond

func (p *Process) proc(name string) string {
	return fmt.Sprintf("/proc/%d/%s", p.Pid(), name)
}

// RSS is the current resident memory in bytes.
func (p *Process) RSS() (int64, error) { return p.memory("VmRSS:") }

// PeakRSS is the peak resident memory in bytes since the program's start.
func (p *Process) PeakRSS() (int64, error) { return p.memory("VmHWM:") }

func (p *Process) memory(field string) (int64, error) {
	text, err := os.ReadFile(p.proc("status"))
	if err != nil {
		return 0, err
	}
	for sc := bufio.NewScanner(bytes.NewReader(text)); sc.Scan(); {
		rest, ok := strings.CutPrefix(sc.Text(), field)
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		return kib * 1024, err
	}
	return 0, fmt.Errorf("%s has no %s the program has ended", p.proc("status"), field)
}

// CPU is the processor time used so far, user and system, in steps of 10 ms.
func (p *Process) CPU() (time.Duration, error) {
	text, err := os.ReadFile(p.proc("stat"))
	if err != nil {
		return 0, err
	}
	// The second field is the name in parentheses. It may contain anything, so fields are
	// counted from the last ")": utime and stime are fields 14 and 15 of proc(5).
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s: unknown form", p.proc("stat"))
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick, err
}

// FDs is the number of open file descriptors.
func (p *Process) FDs() (int, error) {
	list, err := os.ReadDir(p.proc("fd"))
	return len(list), err
}
