// Package wan emulates a wide-area link between two network namespaces of this machine. It
// carries IP packets, that is, everything that the kernel sends, so that kernel TCP and a
// tunnel can be measured on the very same link. It needs Linux and root.
package wan
