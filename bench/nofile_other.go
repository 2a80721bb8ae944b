//go:build !unix

package main

// raiseNoFile does nothing: there is no such limit.
func raiseNoFile() {}
