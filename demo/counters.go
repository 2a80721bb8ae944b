package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"strconv"
)

// readCounters reads the last row of a program's --snmplog, using the names in its first
// row.
func readCounters(path string) (map[string]uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("counters: %w", err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll() // refuses rows of different lengths
	if err != nil {
		return nil, fmt.Errorf("counters: %s: %w", path, err)
	}
	if len(rows) < 2 {
		return nil, fmt.Errorf("counters: %s has no row yet", path)
	}
	last := rows[len(rows)-1]
	counters := make(map[string]uint64)
	for i, name := range rows[0] {
		if counters[name], err = strconv.ParseUint(last[i], 10, 64); err != nil {
			return nil, fmt.Errorf("counters: %s: %s: %w", path, name, err)
		}
	}
	for _, name := range []string{"RetransSegs", "FECRecovered"} {
		if _, ok := counters[name]; !ok {
			return nil, fmt.Errorf("counters: %s has no column %s", path, name)
		}
	}
	return counters, nil
}
