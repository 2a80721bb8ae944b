// Package lab holds the parts of a test network for the tunnel: a relay that
// makes UDP bad on purpose, a target that speaks a tiny protocol, the traffic
// that checks every byte against it, and a holder of running programs. It does
// not depend on package testing, so that demonstrations and benchmarks use the
// same parts as the tests.
//
// # What a relay can do to a tunnel
//
// Loss, bursts of loss, delay, jitter, reordering, duplication, corruption, a
// rate with a queue, and a path MTU are fields of [Fault], which may change at
// any time and for each direction alone:
//
//	relay.SetFault(lab.Down, lab.Fault{Loss: 0.05, Delay: 50 * time.Millisecond})
//
// The network is gone, and comes back:
//
//	relay.Cut(true)
//	time.Sleep(5 * time.Second)
//	relay.Cut(false)
//
// One flow is blocked for good. A client that opens another socket gets through:
//
//	relay.Block()                   // all that the relay knows now
//	relay.Block(relay.Clients()[0]) // one
//
// Another port of the server works where this one is blocked: [NewRelays] has a
// relay for each port of a range, and each can be cut alone.
//
// A NAT forgets its table in mid-flight: the server sees the next datagram come
// from another port, and what it sends to the old one is lost:
//
//	relay.Rebind()
//
// Somebody on the way keeps what passes, and plays it again, from a port of his
// own or as if it came from the client or the server:
//
//	rec := relay.Record(1000) // the first 1000 of each direction
//	...
//	list := rec.Datagrams(lab.Up)
//	s, err := lab.NewStranger(serverAddr, "") // or from "127.0.0.7"
//	defer s.Close()
//	err = s.Replay(ctx, list) // s.Answers() says whether the server spoke to him
//	err = relay.Inject(lab.Up, relay.Clients()[0], list[0].Data)
//
// [Relay.Counters] shows for each direction what has happened to how many.
package lab
