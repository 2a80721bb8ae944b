// Package seccomp makes system calls fail, for tests of what a program does on a system
// that lacks them or in a container that forbids them. It exists on Linux; on other systems
// it is empty.
package seccomp
