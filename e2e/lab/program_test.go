package lab

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestModuleRoot(t *testing.T) {
	root, err := moduleRoot(deadline(t))
	must(t, err)
	if _, err := os.Stat(filepath.Join(root, "e2e", "lab", "program.go")); err != nil {
		t.Error(err)
	}
	t.Chdir(t.TempDir())
	_, err = Build(deadline(t), t.TempDir(), BuildOptions{})
	wantError(t, err, "outside the module")
}

func TestBuildArgs(t *testing.T) {
	got := buildArgs("out", BuildOptions{Race: true, Tags: []string{"a", "b"}, Ldflags: "-s -w"})
	want := []string{"build", "-o", "out" + string(filepath.Separator), "-race", "-tags", "a,b", "-ldflags", "-s -w", "./client", "./server"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestBuildCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Build(ctx, t.TempDir(), BuildOptions{})
	wantError(t, err, context.Canceled.Error())
}

func TestOldProgramFromVariable(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	t.Setenv("KCPTUN_OLD_CLIENT", self)
	t.Setenv("KCPTUN_OLD_SERVER", filepath.Join(t.TempDir(), "none"))
	if path, ok := OldClient(); !ok || path != self {
		t.Errorf("old client %q, %v", path, ok)
	}
	if path, ok := OldServer(); ok {
		t.Errorf("an old server that is not there: %q", path)
	}
}

// TestOldPair sends traffic through an older release and a bad relay: the lab must also
// work with programs other than ours.
func TestOldPair(t *testing.T) {
	client, ok := OldClient()
	server, ok2 := OldServer()
	if !ok || !ok2 {
		t.Skip("no older release: set KCPTUN_OLD_CLIENT and KCPTUN_OLD_SERVER")
	}
	ctx := deadline(t)
	target := testTarget(t, "127.0.0.1:0")
	addr, err := FreeAddr()
	must(t, err)
	s, err := Start(ctx, server, nil, "-l", addr, "-t", target.Addr(), "-mode", "fast3")
	must(t, err)
	defer s.Kill()
	bad := Fault{Loss: 0.05, Burst: 3, Duplicate: 0.02, Corrupt: 0.02, Reorder: 0.05}
	r := testRelay(t, RelayConfig{Server: addr, Up: bad, Down: bad, Seed: 3})
	c, err := Start(ctx, client, nil, "-l", "127.0.0.1:0", "-r", r.Addr(), "-mode", "fast3")
	must(t, err)
	defer c.Kill()
	local, err := c.ListenAddr(ctx)
	must(t, err)
	_, err = Pull(ctx, DialTo(local), 1<<20, nil)
	must(t, err)
	_, err = Push(ctx, DialTo(local), 1<<20, nil)
	must(t, err)
	_, err = Echo(ctx, DialTo(local), 5, 64)
	must(t, err)
}
