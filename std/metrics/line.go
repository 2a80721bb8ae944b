package metrics

import (
	"fmt"
	"strings"

	"github.com/xtaci/kcp-go/v5"
)

// Line lists every counter of kcp-go on one line that begins with "KCP SNMP:", followed by
// the others, such as link.Stats.
func Line(others ...fmt.Stringer) string {
	snmp := kcp.DefaultSnmp.Copy()
	var b strings.Builder
	b.WriteString("KCP SNMP:")
	values := snmp.ToSlice()
	for i, name := range snmp.Header() {
		fmt.Fprintf(&b, " %s:%s", name, values[i])
	}
	for _, o := range others {
		fmt.Fprintf(&b, " %v", o)
	}
	return b.String()
}
