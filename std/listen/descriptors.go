package listen

import (
	"errors"
	"log/slog"
	"net"
	"strings"
	"syscall"
)

// OutOfDescriptors tells whether err means that the process or the system has run out of
// descriptors, which passes when others are closed.
func OutOfDescriptors(err error) bool {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return true
	}
	var dns *net.DNSError // it keeps only the text of its cause
	return errors.As(err, &dns) && (strings.Contains(dns.Err, syscall.EMFILE.Error()) || strings.Contains(dns.Err, syscall.ENFILE.Error()))
}

// LogDescriptors logs how many descriptors the process may have.
func LogDescriptors(log *slog.Logger) {
	if limit := descriptorLimit(); limit > 0 {
		log.Info("open files", "limit", limit)
	}
}
