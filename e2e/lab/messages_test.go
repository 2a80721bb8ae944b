package lab

import (
	"errors"
	"testing"
	"time"
)

// Messages come back in order and are timed one by one, however many are in flight. If the
// target goes away, that is an error at once.
func TestMessages(t *testing.T) {
	target, err := StartTarget("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	times, err := Messages(t.Context(), DialTo(target.Addr()), 20, 64, time.Millisecond)
	if err != nil || len(times) != 20 {
		t.Errorf("%d of 20 came back: %v", len(times), err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := Messages(t.Context(), DialTo(target.Addr()), 1<<20, 64, time.Millisecond)
		failed <- err
	}()
	if err := WaitFor(t.Context(), "the connection", func() bool { return target.Accepted() == 2 }); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil || errors.Is(err, ErrWrongData) {
		t.Errorf("the target went away: %v", err)
	}
}
