package app

import (
	"strings"
	"testing"
	"testing/synctest"
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

// The banner names the file that counters are appended to now, and warns of a name that is
// probably not meant to be one of a date.
func TestBannerNamesTheFileOfCounters(t *testing.T) {
	c := config.Default(config.Client)
	for name, warning := range map[string]string{
		"/tmp/stat-2.log":              "a single digit in the name of --snmplog",
		"/tmp/stat-0102.log":           "the name of --snmplog changes with the time and has no year",
		"/tmp/2006/stat-20060102.log":  "",
		"/tmp/2006/stat-without-a-day": "",
	} {
		c.SnmpLog = name
		synctest.Test(t, func(t *testing.T) { // in which no day ends
			log, book := testkit.NewLog()
			banner(&c, config.Client, "1.2.3", log)
			testkit.Contains(t, book.String(), "file="+metrics.FileName(name, time.Now())+"\n")
			if warning == "" {
				testkit.Lacks(t, book.String(), "level=WARN")
			} else {
				testkit.Contains(t, book.String(), `level=WARN msg="`+warning, "snmplog="+name+"\n")
			}
		})
	}
	c.SnmpLog = "/tmp/stat-2.log"
	c.SnmpPeriod = 0
	log, book := testkit.NewLog()
	banner(&c, config.Client, "1.2.3", log)
	testkit.Lacks(t, book.String(), "a single digit", "counters are appended")
}
