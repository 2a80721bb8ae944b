//go:build nopprof

package std

import (
	"context"
	"log/slog"
)

// pprofBuilt tells that this build is without net/http and serves no profiles.
const pprofBuilt = false

func servePprof(context.Context, *slog.Logger) {}
