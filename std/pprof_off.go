//go:build nopprof

package std

import (
	"context"
	"log/slog"
)

func servePprof(context.Context, *slog.Logger) {}
