package report

// Names of the columns that are compared, and of the metrics that the pictures show.
const (
	Ours       = "ours"
	Peer       = "peer"
	Throughput = "throughput"
	Goodput    = "goodput steady"
)

// PathGiven stands in place of a path among a document's flags.
const PathGiven = "given"
