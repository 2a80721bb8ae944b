package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kcptun/bench/wan"
	"kcptun/e2e/lab"
)

// profileURL is where a program with --pprof serves CPU profiles. Both ends use the same
// port, so only one can be profiled at a time.
const (
	profileAddr = "127.0.0.1:6060"
	profileURL  = "http://" + profileAddr + "/debug/pprof/profile"
)

// profiles takes a CPU profile of each of our ends during a bulk case.
func (b *bench) profiles(ctx context.Context, c testCase, progress io.Writer) error {
	for _, end := range endNames {
		name := strings.ReplaceAll(c.name, "/", "-") + "-" + end + ".pprof"
		if err := b.profileEnd(ctx, c, end, filepath.Join(b.opts.profile, name), progress); err != nil {
			return fmt.Errorf("profile of the %s in %s: %w", end, c.name, err)
		}
		fmt.Fprintf(progress, "%s: profile %s\n", c.name, name)
	}
	return nil
}

func (b *bench) profileEnd(ctx context.Context, c testCase, end, path string, progress io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.sizes.limit(), errTooLong)
	defer cancel()
	if err := profilePortFree(); err != nil {
		return err
	}
	cfg := *c.profile
	cfg.pprof = end
	t, err := openTunnel(ctx, wan.Loopback(), wan.Loopback(), b.ours, cfg)
	if err != nil {
		return err
	}
	stop := background(ctx, func(ctx context.Context) error {
		for { // each stream is long; if there are several, they end and are repeated
			if err := c.move(ctx, t.load, 1e12); err != nil {
				return err
			}
		}
	})
	_ = lab.Sleep(ctx, b.sizes.profile/10) // skip the start
	err = fetchProfile(ctx, path, b.sizes.profile)
	if ended := stop(); err == nil {
		err = ended
	}
	if err != nil {
		err = t.explain(err)
	}
	if closing := t.close(); closing != nil {
		fmt.Fprintln(progress, closing) // the profile is good nevertheless
	}
	return err
}

// profilePortFree keeps us from profiling another program by mistake: an end that finds the
// port in use goes on without profiles.
func profilePortFree() error {
	ln, err := net.Listen("tcp", profileAddr)
	if err != nil {
		return fmt.Errorf("our ends serve profiles at a port that is not free: %w", err)
	}
	return ln.Close()
}

// fetchProfile requests a profile over some time and saves it.
func fetchProfile(ctx context.Context, path string, d time.Duration) error {
	url := fmt.Sprintf("%s?seconds=%d", profileURL, max(1, int(d.Seconds())))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", res.Status, body)
	}
	return os.WriteFile(path, body, 0o644)
}
