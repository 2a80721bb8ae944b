//go:build !linux

package main

import "errors"

// linkPossible is why -link is not.
func linkPossible() error { return errors.New("-link needs Linux") }

func (b *bench) linkCases() []testCase { return nil }
