package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Machine are the facts that figures depend on. No names of hosts, no paths:
// the file may be published.
type Machine struct {
	CPU         string            `json:"cpu"`
	Cores       int               `json:"cores"`
	Memory      string            `json:"memory,omitempty"`
	System      string            `json:"system"`
	Kernel      string            `json:"kernel,omitempty"`
	Go          string            `json:"go"`                    // that built our programs
	PeerGo      string            `json:"peer_go,omitempty"`     // that built the peer's
	Environment map[string]string `json:"environment,omitempty"` // of Go's runtime and ours, where set
}

// Line is what figures depend on, in one line.
func (m Machine) Line() string {
	parts := []string{m.CPU, fmt.Sprintf("%d cores", m.Cores)}
	if kib, err := strconv.ParseFloat(strings.TrimSuffix(m.Memory, " kB"), 64); err == nil {
		parts = append(parts, fmt.Sprintf("%.0f GB", kib*1024/1e9)) // the kernel's kB are KiB
	}
	kernel, _, _ := strings.Cut(m.Kernel, "-") // without the distributor's suffix
	parts = append(parts, strings.TrimSpace(m.System+" "+kernel), "ours built with "+m.Go)
	if m.PeerGo != "" {
		parts = append(parts, "the peer with "+m.PeerGo)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Environment)) {
		parts = append(parts, name+"="+m.Environment[name])
	}
	return strings.Join(parts, ", ")
}
