// Package netns is two machines in one, for tests that take addresses, firewalls or wires
// of their own: network namespaces of Linux. On other systems it is empty.
package netns
