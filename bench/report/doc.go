// Package report holds the figures of a bench, that is, the results of each round of each
// case. It stores them in a file that can be read again, and shows them as tables for a
// terminal, as Markdown, and as pictures. It measures nothing.
package report
