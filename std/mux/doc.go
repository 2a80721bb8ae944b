// Package mux carries many streams over one connection, in the frames of smux 1 and 2.
// It has two goroutines for a session and none for a stream.
//
// What it does beyond the wire format:
//
//   - One queue for all writes. Whoever finds the connection free writes to it from its
//     own goroutine. What is written meanwhile goes out together, and under load in whole
//     KCP segments (gather.go).
//   - What belongs together travels together: a stream's opening with its first bytes,
//     and its end with its last.
//   - Turns. Writers that wait for room continue in order, with fairShare bytes in a turn
//     while others wait. Small writes (an opening, an end, a keystroke) have room of their
//     own and do not queue (queue.go, room.go). Without that a small write beside 300 bulk
//     streams on 1 MB/s waits for all of them; TestTurns has such a crowd.
//   - Half-close loses nothing, and an end is true: EOF is the peer's FIN and nothing else,
//     and the death of the session is an error. A cut download is never taken for a
//     complete one.
//   - A stream that is closed whole sends a NOP with its id after the FIN. A peer of ours
//     then stops writing to it; a stock peer takes it for a keepalive (keepalive.go).
//   - Windows of smux 2 shrink with what is left of the receive buffer, so that streams
//     which nobody reads do not stop the others (budget.go).
//   - Every wait has an end. Accept, and a receiver that is paused, end with the session:
//     by an error of the connection, by silence, by a peer that takes nothing, or by
//     Close. Writers that wait for room, or are in the connection, end with Close, which
//     the owner calls when Accept fails. A wait for the window of a stream ends with the
//     stream or the session.
package mux
