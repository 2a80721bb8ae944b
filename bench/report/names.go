package report

// Names of the columns that are compared, and of the metrics that the pictures show.
const (
	Ours       = "ours"
	Peer       = "peer"
	Throughput = "throughput"
	Goodput    = "goodput steady"
)

// PathGiven replaces the value of flags that are paths.
const PathGiven = "given"
