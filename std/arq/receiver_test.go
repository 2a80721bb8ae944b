package arq

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// text is all that a receiver has for the application.
func text(r *receiver) string {
	var b strings.Builder
	for p := make([]byte, 3); ; {
		n := r.read(p)
		if n == 0 {
			return b.String()
		}
		b.Write(p[:n])
	}
}

func pushAll(r *receiver, sns ...uint32) (fresh int) {
	for _, sn := range sns {
		if r.push(&segment{sn: sn, ts: sn + 1000, data: fmt.Appendf(nil, "<%d>", sn)}, 0) {
			fresh++
		}
	}
	return fresh
}

func numbers(acks []ack) (sns []uint32) {
	for _, e := range acks {
		sns = append(sns, e.sn)
	}
	return sns
}

func TestReceiver(t *testing.T) {
	for _, c := range []struct {
		name  string
		first uint32
		come  []uint32
		text  string
		fresh int
		next  uint32
		acks  []uint32
	}{
		{"in order", 0, []uint32{0, 1, 2}, "<0><1><2>", 3, 3, []uint32{2}},
		{"reordered", 0, []uint32{2, 0, 1}, "<0><1><2>", 3, 3, []uint32{2, 0, 1}},
		{"one missing", 0, []uint32{0, 2, 3}, "<0>", 3, 1, []uint32{2, 3}},
		{"twice", 0, []uint32{0, 0, 1, 0}, "<0><1>", 2, 2, []uint32{1}},
		{"only old ones", 3, []uint32{0, 2, 1}, "", 0, 3, []uint32{1}},
		{"early twice", 0, []uint32{2, 2}, "", 1, 0, []uint32{2, 2}},
		{"beyond the window", 0, []uint32{8, 0}, "<0>", 1, 1, []uint32{0}},
		{"far away", 0, []uint32{1<<31 - 1, 1 << 20, 0}, "<0>", 1, 1, []uint32{0}},
		{"about the wrap", 0xffffffff, []uint32{0, 0xffffffff, 1}, "<4294967295><0><1>", 3, 2, []uint32{0, 0xffffffff, 1}},
		{"from before", 100, []uint32{99, 1, 100}, "<100>", 1, 101, []uint32{100}},
	} {
		r := newReceiver(8, false)
		r.next, r.unheard = c.first, false
		if fresh := pushAll(&r, c.come...); fresh != c.fresh {
			t.Errorf("%s: %d are new, want %d", c.name, fresh, c.fresh)
		}
		acks := numbers(r.due(nil))
		if got := text(&r); got != c.text || r.next != c.next || !slices.Equal(acks, c.acks) {
			t.Errorf("%s: %q, next %d, acks %v, want %q, %d, %v", c.name, got, r.next, acks, c.text, c.next, c.acks)
		}
	}
}

// The window shuts if nobody reads, and nothing beyond what was announced is accepted. That
// the window opens is announced if the last announcement was a window of zero.
func TestReceiverWindow(t *testing.T) {
	r := newReceiver(3, false)
	r.unheard = false
	pushAll(&r, 0, 1)
	if r.telling() != 1 || r.tell {
		t.Errorf("window %d, tell %v", r.window(), r.tell)
	}
	if fresh := pushAll(&r, 2, 3, 4); fresh != 1 || r.telling() != 0 || r.next != 3 {
		t.Errorf("%d taken, window %d, next %d", fresh, r.window(), r.next)
	}
	if !r.tell { // to a sender that hears nothing, the path is dead
		t.Error("what finds no room gets no answer")
	}
	r.tell = false
	if r.read(make([]byte, 2)); r.tell {
		t.Error("half a segment was read, and the window is to be told")
	}
	if r.read(make([]byte, 1)); !r.tell || r.telling() != 1 {
		t.Errorf("tell %v, window %d", r.tell, r.window())
	}
	r.tell = false
	if got := text(&r); got != "<1><2>" || r.window() != 3 || r.tell {
		t.Errorf("%q, window %d, tell %v", got, r.window(), r.tell)
	}
}

// Early segments are acknowledged again in the packet after the next one, as long as they
// are early.
func TestReceiverRepeatsAcknowledgements(t *testing.T) {
	r := newReceiver(100, false)
	for _, c := range []struct {
		come, acks []uint32
	}{
		{[]uint32{0, 5}, []uint32{5}},
		{[]uint32{6}, []uint32{6}},
		{[]uint32{7}, []uint32{5, 7}},
		{nil, nil},
		{[]uint32{8}, []uint32{6, 8}},
		{[]uint32{1, 2, 3, 4, 10}, []uint32{1, 2, 3, 4, 10}},
	} {
		pushAll(&r, c.come...)
		if acks := numbers(r.due(nil)); !slices.Equal(acks, c.acks) {
			t.Errorf("after %v: %v, want %v", c.come, acks, c.acks)
		}
	}
}

func TestReceiverGrows(t *testing.T) {
	r := newReceiver(5000, false)
	r.next, r.unheard = 1<<32-100, false
	var all []uint32
	for i := range uint32(3000) {
		all = append(all, r.next+i)
	}
	for i := len(all) - 1; i >= 0; i -= 7 { // far ones first
		pushAll(&r, all[i])
	}
	pushAll(&r, all...)
	if want := all[len(all)-1] + 1; r.next != want || r.early != 0 {
		t.Errorf("next %d, want %d; %d are early", r.next, want, r.early)
	}
}
