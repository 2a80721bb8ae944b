package app

import (
	"strings"
	"testing"
	"time"

	"kcptun/std/config"
	"kcptun/std/metrics"
	"kcptun/std/testkit"
)

func TestBanner(t *testing.T) {
	c := config.Default(config.Server)
	c.Key, c.Crypt, c.SnmpLog = "s3cret", "null", "/tmp/x.log"
	c.Warnings = []string{"beware"}
	log, book := testkit.NewLog()
	banner(&c, config.Server, "1.2.3", log)
	testkit.Contains(t, book.String(), `msg="kcptun server"`, "version=1.2.3", "fingerprint="+c.Fingerprint(), "listen=:29900", "crypt=null", "mtu=1350", "nocomp=false", "snmplog=/tmp/x.log", "level=WARN msg=beware", `msg="counters are appended to a file" file=/tmp/x.log`)
	testkit.Lacks(t, book.String(), "s3cret", "key=", "localaddr", " log=")
	if lines := strings.Count(book.String(), "\n"); lines != 4 {
		t.Errorf("%d lines", lines)
	}
}

// The banner names the settings file, whatever its name looks like.
func TestBannerNamesTheFileOfCounters(t *testing.T) {
	c := config.Default(config.Client)
	c.SnmpLog = "/tmp/stat-2.log"
	log, book := testkit.NewLog()
	banner(&c, config.Client, "1.2.3", log)
	testkit.Contains(t, book.String(), "file="+metrics.FileName(c.SnmpLog, time.Now()), "level=WARN msg=\"a single digit in the name of --snmplog", "snmplog=/tmp/stat-2.log")
	c.SnmpPeriod = 0
	log, book = testkit.NewLog()
	banner(&c, config.Client, "1.2.3", log)
	testkit.Lacks(t, book.String(), "a single digit", "counters are appended")
}
