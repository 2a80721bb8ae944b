//go:build !unix

package std

import "context"

// onDumpSignal does nothing: this system has no SIGUSR1.
func onDumpSignal(context.Context, func()) {}
