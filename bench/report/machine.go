package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Machine holds facts on which figures depend. It has no host names and no paths, so that
// the file may be published.
type Machine struct {
	CPU         string            `json:"cpu"`
	Cores       int               `json:"cores"`
	Memory      string            `json:"memory,omitempty"`
	System      string            `json:"system"`
	Kernel      string            `json:"kernel,omitempty"`
	Go          string            `json:"go"`                    // version that built our programs
	PeerGo      string            `json:"peer_go,omitempty"`     // version that built the peer's
	Environment map[string]string `json:"environment,omitempty"` // variables that affect Go's runtime or our programs, if set
}

// Line describes the machine in one line.
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
