package rescue

import (
	"errors"
	"testing"

	"kcptun/std/testkit"
)

// A panic is caught, counted, and logged with its stack, if no other was a moment ago; what
// did not panic is not.
func TestCatch(t *testing.T) {
	log, book := testkit.NewLog()
	n := &Net{Log: log}
	var ended error
	end := func(err error) { ended = err }
	func() { defer n.Catch(end) }()
	if ended != nil || n.Caught() != 0 {
		t.Errorf("without a panic: %v, %d", ended, n.Caught())
	}
	func() {
		defer n.Catch(end)
		panic("no such thing")
	}()
	var p *Panic
	if !errors.As(ended, &p) || ended.Error() != "panic: no such thing" || n.Caught() != 1 {
		t.Errorf("%v, %d caught", ended, n.Caught())
	}
	testkit.Contains(t, book.String(), "level=ERROR", `panic="no such thing"`, "TestCatch", "rescue_test.go")
	func() {
		defer n.Catch(nil)
		var list []int
		_ = list[len(ended.Error())]
	}()
	if n.Caught() != 2 {
		t.Errorf("%d caught", n.Caught())
	}
	if lines := book.Count("level=ERROR"); lines != 1 {
		t.Errorf("%d lines", lines)
	}
}

// Without a net a panic ends the program, as it does in tests.
func TestNilCatchesNothing(t *testing.T) {
	var n *Net
	defer func() {
		if recover() == nil || n.Caught() != 0 {
			t.Error("it was caught")
		}
	}()
	defer n.Catch(nil)
	panic("as ever")
}
