//go:build nopprof

package app

import (
	"context"
	"log/slog"
)

func servePprof(context.Context, *slog.Logger) {}
