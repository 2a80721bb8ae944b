package report

// Names of the columns that are compared, and of the metrics that the pictures show.
const (
	Ours       = "ours"
	Peer       = "peer"
	Throughput = "throughput"
	Goodput    = "goodput steady"
	ShareOfCap = "share of what the link carries"
	Late       = "messages later than RTT + 100 ms"
	OverIdeal  = "wire/payload above the least"

	MessageWire  = "wire to that without protection"
	LatestAnswer = "latest answer above a round trip"
)

// Kinds of results: on one machine, or over an emulated link.
const (
	Loopback = "loopback"
	Link     = "link"
)

// Targets is the kind of a document that has results of both kinds.
const Targets = "targets"

// PathGiven replaces the value of flags that are paths.
const PathGiven = "given"
