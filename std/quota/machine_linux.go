package quota

import (
	"bytes"
	"os"
	"strconv"
)

// machine is the memory of the machine, or of the container if that is less, in bytes; 0
// means unknown.
func machine() int64 {
	info, _ := os.ReadFile("/proc/meminfo")
	total := parseMeminfo(info)
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, _ := os.ReadFile(path)
		if limit := parseNumber(text); limit > 0 && (total == 0 || limit < total) {
			total = limit
		}
	}
	return total
}

// parseMeminfo is MemTotal of /proc/meminfo, in bytes.
func parseMeminfo(info []byte) int64 {
	for line := range bytes.Lines(info) {
		rest, ok := bytes.CutPrefix(line, []byte("MemTotal:"))
		if !ok {
			continue
		}
		kib := parseNumber(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte(" kB")))
		if kib > 1<<50 {
			return 0
		}
		return kib << 10
	}
	return 0
}

// parseNumber returns a number above 0, and 0 for "max" or anything else.
func parseNumber(text []byte) int64 {
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
