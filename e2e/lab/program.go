package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

var moduleLine = regexp.MustCompile(`(?m)^module kcptun\s*$`)

// BuildOptions says how the programs are built.
type BuildOptions struct {
	Race    bool     // build with the race detector
	Tags    []string // build tags
	Ldflags string   // passed on as -ldflags
}

// Programs are the paths of a built pair.
type Programs struct {
	Client, Server string
}

// Build builds the client and the server of this module into outDir, which must exist. It
// needs the go command and a working directory inside the module.
func Build(ctx context.Context, outDir string, opt BuildOptions) (Programs, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return Programs{}, fmt.Errorf("build: %w", err)
	}
	for _, name := range []string{"client", "server"} {
		if files, _ := filepath.Glob(filepath.Join(root, name, "*.go")); len(files) == 0 {
			return Programs{}, fmt.Errorf("build: the module has no %s program", name)
		}
	}
	if err := LookAtSources(root); err != nil {
		return Programs{}, fmt.Errorf("build: %w", err)
	}
	out, err := filepath.Abs(outDir)
	if err != nil {
		return Programs{}, fmt.Errorf("build: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", buildArgs(out, opt)...)
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return Programs{}, commandError(ctx, "build", err, text)
	}
	ext := ""
	if runtime.GOOS == "windows" {
		ext = ".exe"
	}
	return Programs{
		Client: filepath.Join(out, "client"+ext),
		Server: filepath.Join(out, "server"+ext),
	}, nil
}

// LookAtSources reads the directories of what the programs are made of, below the module's
// root. The cache of go test knows only what a test has looked at, and would keep a result after
// the programs had changed. What is read before the tests begin, in TestMain, does not count.
func LookAtSources(root string) error {
	for _, dir := range []string{"client", "server", "std"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil {
			return err
		}
	}
	return nil
}

func buildArgs(out string, opt BuildOptions) []string {
	// If -o is a directory, each program is named after its folder.
	args := []string{"build", "-o", out + string(filepath.Separator)}
	if opt.Race {
		args = append(args, "-race")
	}
	if len(opt.Tags) > 0 {
		args = append(args, "-tags", strings.Join(opt.Tags, ","))
	}
	if opt.Ldflags != "" {
		args = append(args, "-ldflags", opt.Ldflags)
	}
	return append(args, "./client", "./server")
}

// moduleRoot is the folder of the go.mod that applies to the working directory.
func moduleRoot(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOMOD")
	out, err := cmd.Output()
	if err != nil {
		return "", commandError(ctx, "go env GOMOD", err, out)
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return "", errors.New("the working directory is outside the module")
	}
	text, err := os.ReadFile(mod)
	if err != nil {
		return "", err
	}
	if !moduleLine.Match(text) {
		return "", fmt.Errorf("%s is not the module kcptun", mod)
	}
	return filepath.Dir(mod), nil
}

// commandError replaces the error "killed" by the reason why ctx ended, if it did.
func commandError(ctx context.Context, what string, err error, output []byte) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if text := strings.TrimSpace(string(output)); text != "" {
		return fmt.Errorf("%s: %w\n%s", what, err, text)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// OldClient finds the client of an older release: the path in the environment variable
// KCPTUN_OLD_CLIENT, or else kcptun-client on the PATH.
func OldClient() (path string, ok bool) { return old("KCPTUN_OLD_CLIENT", "kcptun-client") }

// OldServer finds the server of an older release: the path in the environment variable
// KCPTUN_OLD_SERVER, or else kcptun-server on the PATH.
func OldServer() (path string, ok bool) { return old("KCPTUN_OLD_SERVER", "kcptun-server") }

func old(variable, name string) (string, bool) {
	if path := os.Getenv(variable); path != "" {
		name = path
	}
	path, err := exec.LookPath(name)
	return path, err == nil
}
