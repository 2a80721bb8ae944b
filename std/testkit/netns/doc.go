// Package netns makes two machines of one, for tests that need addresses, firewalls or
// wires of their own. It uses network namespaces of Linux; on other systems it is empty.
package netns
