package listen

import (
	"errors"
	"net"
	"strings"
	"syscall"
)

// OutOfDescriptors tells whether err says that the process or the system has no
// descriptor left, which passes when others close theirs.
func OutOfDescriptors(err error) bool {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return true
	}
	var dns *net.DNSError // which keeps the text alone
	return errors.As(err, &dns) && (strings.Contains(dns.Err, syscall.EMFILE.Error()) || strings.Contains(dns.Err, syscall.ENFILE.Error()))
}
