package config

import (
	"strings"
	"testing"
)

func TestDidYouMean(t *testing.T) {
	known := []string{"rcvwnd", "sndwnd", "nocomp", "QPP", "parityshard", "log", "crypt", "conn", "c"}
	for typed, want := range map[string]string{
		"rcvwind": "rcvwnd", "nocmp": "nocomp", "qpp": "QPP", "RCVWND": "rcvwnd", "paritiyshards": "parityshard",
		"crpyt": "crypt", "lgo": "log", "con": "conn", "foo": "", "t": "", "xyzzy": "", "": "", "completely-other": "",
	} {
		got := DidYouMean(typed, known)
		if want == "" && got != "" && typed != "" || want != "" && !strings.Contains(got, `"`+want+`"`) {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"abc", "abc", 0}, {"ab", "ba", 1}, {"mdoe", "mode", 1}, {"abcd", "badc", 2}, {"ca", "abc", 3}, {strings.Repeat("a", 100), "a", 63}} {
		if got := editDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
