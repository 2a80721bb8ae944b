package main

import (
	"debug/buildinfo"
	"os"
	"runtime"
	"strings"
	"time"

	"kcptun/bench/report"
	"kcptun/e2e/lab"
)

// machineFacts returns the facts about this machine and the programs.
func machineFacts(peer lab.Programs) report.Machine {
	m := report.Machine{
		CPU:    field("/proc/cpuinfo", "model name"),
		Memory: field("/proc/meminfo", "MemTotal"),
		Cores:  runtime.NumCPU(),
		System: runtime.GOOS + "/" + runtime.GOARCH,
		Go:     runtime.Version(),
	}
	if m.CPU == "" {
		m.CPU = "unknown"
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(text))
	}
	if info, err := buildinfo.ReadFile(peer.Server); err == nil {
		m.PeerGo = info.GoVersion
	}
	for _, name := range []string{"GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GODEBUG", "GOAMD64", offloadVariable} {
		if v := os.Getenv(name); v != "" {
			if m.Environment == nil {
				m.Environment = make(map[string]string)
			}
			m.Environment[name] = v
		}
	}
	return m
}

// field returns the first value of a name in a file of /proc, or "".
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func today() string { return time.Now().UTC().Format(time.DateOnly) }
