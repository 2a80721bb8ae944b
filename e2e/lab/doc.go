// Package lab holds the parts of a test network for the tunnel: a relay that
// disturbs UDP on purpose, a target that speaks a tiny protocol, calls to the
// target that check every byte, and running programs. It does not depend on
// package testing, so that the demo and the bench can use it like the tests.
//
// # What a relay can do to a tunnel
//
// Loss, bursts of loss, delay, jitter, reordering, duplication, corruption, a
// rate with a queue, and a path MTU are fields of [Fault], which may be changed
// at any time, separately for each direction:
//
//	relay.SetFault(lab.Down, lab.Fault{Loss: 0.05, Delay: 50 * time.Millisecond})
//
// The network fails and recovers:
//
//	relay.Cut(true)
//	time.Sleep(5 * time.Second)
//	relay.Cut(false)
//
// A flow is blocked for good, but a client that opens another socket gets through:
//
//	relay.Block()                   // all flows that the relay knows now
//	relay.Block(relay.Clients()[0]) // one flow
//
// One port of the server is blocked while another works: [NewRelays] has a relay
// for each port of a range, and each can be cut separately.
//
// A NAT loses its table: the server sees the next datagram come from another
// port, and what it sends to the old port is lost:
//
//	relay.Rebind()
//
// An eavesdropper on the path records datagrams and replays them, from a port of
// his own or as if they came from the client or the server:
//
//	rec := relay.Record(1000) // the first 1000 of each direction
//	...
//	list := rec.Datagrams(lab.Up)
//	s, err := lab.NewStranger(serverAddr, "") // or from "127.0.0.7"
//	defer s.Close()
//	err = s.Replay(ctx, list) // s.Answers() counts what the server sent to him
//	err = relay.Inject(lab.Up, relay.Clients()[0], list[0].Data)
//
// [Relay.Counters] tells for each direction how many packets met which fate.
package lab
