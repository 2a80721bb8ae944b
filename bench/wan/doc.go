// Package wan emulates a wide-area link between two network namespaces of this
// machine. It carries IP packets, so everything that the kernel sends: kernel TCP and a
// tunnel can be measured on the very same link. It needs Linux and root.
package wan
