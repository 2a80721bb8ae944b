//go:build !nopprof

package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// pprofAddr is on loopback only, because profiles reveal what the program does and holds.
const pprofAddr = "127.0.0.1:6060"

// servePprof serves profiles until ctx ends. If the port is in use, for example by the
// other end on the same machine, it logs that and the tunnel goes on without.
func servePprof(ctx context.Context, log *slog.Logger) {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	// No pprof.Cmdline: the command line may hold the key.
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	lis, err := net.Listen("tcp", pprofAddr)
	if err != nil {
		log.Error("pprof is not served", "err", err)
		return
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)} // not standard error, the default, which may block
	defer context.AfterFunc(ctx, func() { server.Close() })()
	log.Info("pprof is served", "url", "http://"+pprofAddr+"/debug/pprof/")
	if err := server.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
		log.Error("pprof ended", "err", err)
	}
}
