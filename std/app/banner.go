package app

import (
	"log/slog"
	"runtime"
	"time"

	"kcptun/std/config"
	"kcptun/std/metrics"
)

// banner logs the version, the settings in force and the warnings.
func banner(c *config.Config, r config.Role, version string, log *slog.Logger) {
	log.Info("kcptun "+r.String(), "version", version, "go", runtime.Version(), "system", runtime.GOOS+"/"+runtime.GOARCH, "fingerprint", c.Fingerprint())
	var attrs []any
	for _, s := range r.Settings(c) {
		v := s.Value()
		if !s.IsSecret() && (v != "" || len(s.Choices()) > 0) {
			attrs = append(attrs, s.Name, v)
		}
	}
	log.Info("settings", attrs...)
	if c.WritesCounters() {
		log.Info("counters are appended to a file", "file", metrics.FileName(c.SnmpLog, time.Now()))
		if advice := metrics.Advice(c.SnmpLog); advice != "" {
			log.Warn(advice, "snmplog", c.SnmpLog)
		}
	}
	for _, w := range c.Warnings {
		log.Warn(w)
	}
}
