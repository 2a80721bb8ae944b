package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"kcptun/bench/report"
)

// continued takes over what an earlier run of the same command has written to the file of
// -json, if there is one. Its date stays.
func (o *options) continued(doc *report.Document) error {
	earlier, err := report.ReadDocument(o.json)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("-resume: %w", err)
	case earlier.Kind != doc.Kind || earlier.Rounds != doc.Rounds || !maps.Equal(earlier.Flags, doc.Flags):
		return fmt.Errorf("-resume: %s is from another command: %s", o.json, earlier.Command())
	case earlier.Machine.Line() != doc.Machine.Line():
		return fmt.Errorf("-resume: %s is from another machine: %s", o.json, earlier.Machine.Line())
	}
	doc.Date = earlier.Date
	for _, r := range earlier.Results {
		if !r.Failed() {
			doc.Results = append(doc.Results, r)
		}
	}
	return nil
}

// missing returns the cases of which a document has no results.
func missing(cases []testCase, doc *report.Document) []testCase {
	return slices.DeleteFunc(cases, func(c testCase) bool { return doc.Result(c.name) != nil })
}
