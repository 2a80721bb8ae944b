package report

// Collection combines several runs: bulk, idle sessions and links may be measured
// separately and shown together.
type Collection struct {
	runs           []*Document // the runs with at least one result in use, in the order given
	loopback, link []Result
}

// collect merges runs. If a case is in several runs, the last result is used, in the place
// of the first.
func collect(runs []*Document) *Collection {
	type place struct{ kind, name string }
	last := make(map[place]*Document)
	for _, d := range runs {
		for _, r := range d.Results {
			last[place{d.Kind, r.Case}] = d
		}
	}
	c := new(Collection)
	counted := make(map[place]bool)
	for _, d := range runs {
		counts := false
		for _, r := range d.Results {
			at := place{d.Kind, r.Case}
			counts = counts || last[at] == d
			if counted[at] {
				continue
			}
			counted[at] = true
			if d.Kind == "link" {
				c.link = append(c.link, *last[at].Result(r.Case))
			} else {
				c.loopback = append(c.loopback, *last[at].Result(r.Case))
			}
		}
		if counts {
			c.runs = append(c.runs, d)
		}
	}
	return c
}

// ReadCollection reads files written by -json.
func ReadCollection(paths []string) (*Collection, error) {
	var runs []*Document
	for _, path := range paths {
		d, err := ReadDocument(path)
		if err != nil {
			return nil, err
		}
		runs = append(runs, d)
	}
	return collect(runs), nil
}
