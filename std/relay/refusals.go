package relay

import "kcptun/std/notice"

// Refusals decides which refused streams are logged: all of them, or with --quiet the
// first, and then one line a minute with their number. Users who do not want a line per
// stream still need to know that the target or the server is down.
type Refusals struct {
	Quiet bool

	recurring notice.Recurring
}

// Due counts a refusal. It reports whether a line is due, and how many refusals the line
// stands for.
func (r *Refusals) Due() (times int64, due bool) {
	if !r.Quiet {
		return 1, true
	}
	return r.recurring.Due()
}
