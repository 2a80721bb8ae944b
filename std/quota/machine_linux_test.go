package quota

import "testing"

func TestParse(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:       16316412 kB\nMemFree: 12 kB\n": 16316412 << 10,
		"MemFree: 1 kB\nMemTotal: 7 kB":                 7 << 10,
		"":                                              0, "MemTotal: much kB": 0, "MemTotal: -5 kB": 0, "MemTotal: 9000000000000000000 kB": 0,
	} {
		if got := parseMeminfo([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	for text, want := range map[string]int64{"max\n": 0, "123\n": 123, "-1": 0, "": 0, "99999999999999999999": 0} {
		if got := parseNumber([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if machine() <= 0 {
		t.Error("the memory of this machine is not known")
	}
}
