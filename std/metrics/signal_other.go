//go:build !unix

package metrics

import "context"

// OnSignal does nothing: this system has no SIGUSR1.
func OnSignal(context.Context, func()) {}
