package relay

import "testing"

func TestRefusals(t *testing.T) {
	for quiet, want := range map[bool]int{false: 5, true: 1} {
		r, lines := Refusals{Quiet: quiet}, 0
		for range 5 {
			if times, due := r.Due(); due {
				if lines++; times != 1 {
					t.Errorf("quiet %v: a line for %d times", quiet, times)
				}
			}
		}
		if lines != want {
			t.Errorf("quiet %v: %d lines for 5 refusals, want %d", quiet, lines, want)
		}
	}
}
