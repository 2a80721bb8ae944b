package config

import (
	"strings"
	"testing"

	"kcptun/std/build"
	"kcptun/std/testkit"
)

func TestValidateQPPParams(t *testing.T) {
	if !build.QPP {
		t.Skip("built without QPP")
	}
	long, short := strings.Repeat("k", qppMinSeed), strings.Repeat("k", qppMinSeed-1)
	for _, tt := range []struct {
		count    int
		key      string
		warnings string // a word of each
		bad      bool
	}{
		{61, long, "", false},
		{7, long, "", false},
		{65535, long, "", false},
		{61, short, "211", false},
		{61, "", "211", false},
		{5, long, "7", false},
		{1, long, "7", false},
		{64, long, "coprime", false},
		{6, short, "211 7 coprime", false},
		{65534, long, "coprime", false},
		{0, long, "", true},
		{-1, long, "", true},
		{65536, long, "", true},
	} {
		warnings, err := ValidateQPPParams(tt.count, tt.key)
		if (err != nil) != tt.bad || len(warnings) != len(strings.Fields(tt.warnings)) {
			t.Errorf("%d, %d bytes: %q, %v", tt.count, len(tt.key), warnings, err)
			continue
		}
		for i, word := range strings.Fields(tt.warnings) {
			testkit.Contains(t, warnings[i], word)
		}
	}
	c, err := checked(Client, func(c *Config) { c.QPP, c.QPPCount = true, 6 })
	if err != nil || len(c.Warnings) != 3 {
		t.Error(c.Warnings, err)
	}
	if _, err := checked(Client, func(c *Config) { c.QPP, c.QPPCount = true, 0 }); err == nil || strings.Count(err.Error(), "\n") > 0 {
		t.Error("want one error:", err)
	}
}
