package report

import (
	"path/filepath"
	"slices"
)

// Collection combines several runs: bulk, idle sessions and links may be measured
// separately and shown together.
type Collection struct {
	read           []*Document // all runs, in the order given
	runs           []*Document // those with at least one result in use, in the same order
	loopback, link []Result
}

// of combines only those runs that were read from files of a name, without folder; from all
// if it is empty.
func (c *Collection) of(name string) *Collection {
	if name == "" {
		return c
	}
	return collect(slices.DeleteFunc(slices.Clone(c.read), func(d *Document) bool { return d.file != name }))
}

// place is a column of a case.
type place struct{ kind, name, column string }

// collect merges runs. If a column of a case is in several runs, the last one is used, in the
// place of the first.
func collect(runs []*Document) *Collection {
	last := make(map[place]*Document)
	each := func(visit func(*Document, *Result, place)) {
		for _, d := range runs {
			for i := range d.Results {
				r := &d.Results[i]
				for _, name := range r.names() {
					visit(d, r, place{r.kindIn(d), r.Case, name})
				}
			}
		}
	}
	each(func(d *Document, _ *Result, at place) { last[at] = d })
	c := &Collection{read: runs}
	each(func(d *Document, r *Result, at place) {
		if last[at] == d && !slices.Contains(c.runs, d) {
			c.runs = append(c.runs, d)
		}
		c.add(*r, at, last[at].Result(r.Case))
	})
	slices.SortStableFunc(c.runs, func(a, b *Document) int { return slices.Index(runs, a) - slices.Index(runs, b) })
	for _, results := range [][]Result{c.loopback, c.link} {
		for i := range results {
			results[i].Conclude(0) // columns of other runs have other ratios
		}
	}
	return c
}

// add adds a column of r, as it is in the run that counts, unless it is there.
func (c *Collection) add(r Result, at place, from *Result) {
	into := &c.loopback
	if at.kind == Link {
		into = &c.link
	}
	i := slices.IndexFunc(*into, func(r Result) bool { return r.Case == at.name })
	if i < 0 {
		i = len(*into)
		r.About, r.Flags, r.Columns = from.About, from.Flags, nil
		*into = append(*into, r)
	}
	if col := from.Column(at.column); col != nil && (*into)[i].Column(at.column) == nil {
		(*into)[i].Columns = append((*into)[i].Columns, *col)
	}
}

// names are the names of the columns, or one empty name if there are none.
func (r *Result) names() []string {
	if len(r.Columns) == 0 {
		return []string{""}
	}
	var names []string
	for _, c := range r.Columns {
		names = append(names, c.Name)
	}
	return names
}

// kindIn is the kind of a result. Files of older releases have it for all results together.
func (r *Result) kindIn(d *Document) string {
	if r.Kind == "" {
		return d.Kind
	}
	return r.Kind
}

// ReadCollection reads files written by -json.
func ReadCollection(paths []string) (*Collection, error) {
	var runs []*Document
	for _, path := range paths {
		d, err := ReadDocument(path)
		if err != nil {
			return nil, err
		}
		d.file = filepath.Base(path)
		runs = append(runs, d)
	}
	return collect(runs), nil
}
