//go:build !linux

package carrier

// splitsIPv6 is 0 because the system makes fragments that are as large as the network card
// takes, which do not pass where a datagram of that size does not.
const splitsIPv6 = 0
