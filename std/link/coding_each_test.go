package link

import (
	"bytes"
	"testing"
	"testing/synctest"

	"kcptun/std/crypt"
)

// Where the settings have no groups, single packets are in groups of the shape that is asked
// for, and others between them are as they are. It is told what was sent besides.
func TestWriteCoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, _ := options(crypt.Plain{})
		near, far := fakePair()
		client, _ := fakeConns(t, near, nobody(far), opt)
		packets := pushes(1, 3)
		want := codedGroup(2, packets...)
		var extra []Extra
		for _, p := range packets {
			n, after, err := client.WriteCoded(bytes.Clone(p), client.Peer(), 3, 2)
			if err != nil || n != len(p)+fecHeader {
				t.Fatal(n, err)
			}
			extra = append(extra, after)
			if _, err := client.WriteTo(bytes.Clone(p), client.Peer()); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		var framed [][]byte
		bare := 0
		for _, d := range sent(far) {
			if h, ok := ParsePacket(d); ok && !h.Framed && h.Kind == Segments {
				bare++
				continue
			}
			framed = append(framed, d)
		}
		if bare != 3 || len(framed) != 5 {
			t.Fatalf("%d bare, %d in the group", bare, len(framed))
		}
		size := 0
		for i, d := range framed {
			if !bytes.Equal(d, want[i]) {
				t.Errorf("packet %d is %x\nwant %x", i, d, want[i])
			}
			if i >= 3 {
				size += len(d)
			}
		}
		if extra[0] != (Extra{}) || extra[1] != (Extra{}) || extra[2] != (Extra{2, size}) {
			t.Errorf("told of %v, %d bytes were sent besides", extra, size)
		}
		// What no group can be of goes as it is.
		if n, after, err := client.WriteCoded(bytes.Clone(packets[0]), client.Peer(), 300, 2); err != nil || after != (Extra{}) || n == 0 {
			t.Errorf("%d, %v, %v", n, after, err)
		}
	})
}
