package std

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"kcptun/std/metrics"
)

// Fingerprint is a few hex digits of the settings that must be the same at both
// ends, so that two people can compare them by eye. The key is no part of it:
// logs get posted in public.
func (c *Config) Fingerprint() string {
	text := fmt.Sprintf("crypt=%s nocomp=%t smuxver=%d qpp=%t", c.Crypt, c.NoComp, c.SmuxVer, c.QPP)
	if c.QPP {
		text += fmt.Sprintf(" qpp-count=%d", c.QPPCount)
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}

// banner logs the version, the settings in force and the warnings.
func (c *Config) banner(r Role, version string, log *slog.Logger) {
	log.Info("kcptun "+r.String(), "version", version, "go", runtime.Version(), "system", runtime.GOOS+"/"+runtime.GOARCH, "fingerprint", c.Fingerprint())
	var attrs []any
	for _, s := range r.known(c) {
		switch v := s.value.(type) {
		case *int:
			attrs = append(attrs, s.name, *v)
		case *bool:
			attrs = append(attrs, s.name, *v)
		case *string:
			if s.name != "key" && (*v != "" || len(s.choices) > 0) {
				attrs = append(attrs, s.name, *v)
			}
		}
	}
	log.Info("settings", attrs...)
	if c.writesSnmp() {
		log.Info("counters are appended to a file", "file", metrics.FileName(c.SnmpLog, time.Now()))
		if advice := metrics.Advice(c.SnmpLog); advice != "" {
			log.Warn(advice, "snmplog", c.SnmpLog)
		}
	}
	for _, w := range c.Warnings {
		log.Warn(w)
	}
}
