// Package report holds the figures of a bench: what each round of each case gave,
// as a file that can be read again, as tables for a terminal and in Markdown, and
// as pictures. It measures nothing.
package report
