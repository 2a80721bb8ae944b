//go:build !(linux && amd64)

package e2e_test

import "errors"

func runLacking(string) error { return errors.New(noFilters) }
