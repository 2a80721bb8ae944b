package config

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// DidYouMean suggests the known name nearest to a mistyped one, or nothing. At most one
// letter in three may be wrong, so that "foo" does not suggest "log".
func DidYouMean(typed string, known []string) string {
	best, bestDistance := "", 1+(len(typed)+1)/3
	for _, name := range known {
		if d := editDistance(strings.ToLower(typed), strings.ToLower(name)); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// editDistance is how many letters to insert, delete, replace, or swap with the next one, to
// make b of a (the distance of optimal string alignment). Words are cut at 64 letters.
func editDistance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

func sortedKeys[V any](m map[string]V) iter.Seq[string] {
	return slices.Values(slices.Sorted(maps.Keys(m)))
}
