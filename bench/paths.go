package main

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"

	"kcptun/e2e/lab"
)

// checkPrograms refuses programs that cannot be started.
func (o *options) checkPrograms() error {
	for _, p := range []struct{ flag, path string }{
		{"client", o.ours.Client}, {"server", o.ours.Server}, {"peer-client", o.peer.Client}, {"peer-server", o.peer.Server},
	} {
		if p.path == "" {
			continue
		}
		if _, err := exec.LookPath(p.path); err != nil {
			return fmt.Errorf("-%s %s: %w", p.flag, p.path, whyNoProgram(err))
		}
	}
	return nil
}

// whyNoProgram words an error of exec.LookPath briefly.
func whyNoProgram(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("no such file")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("not executable")
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, exec.ErrDot):
		return errors.New("not on the path, want it with its folder, such as ./client")
	}
	return bare(err)
}

// checkOutputs refuses files that could not be written hours later. It creates the folder
// for the profiles.
func (o *options) checkOutputs() error {
	if o.json != "" {
		if err := checkFile(o.json); err != nil {
			return fmt.Errorf("-json %s: %w", o.json, err)
		}
	}
	if o.profile != "" {
		if err := checkFolder(o.profile); err != nil {
			return fmt.Errorf("-profile %s: %w", o.profile, err)
		}
	}
	return nil
}

// checkFile tries what Document.Write will do. That replaces the file, which must not
// happen to a device.
func checkFile(path string) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return errors.New("there, and not a regular file")
	}
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return bare(err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func checkFolder(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return bare(err)
	}
	f, err := os.CreateTemp(path, "bench-")
	if err != nil {
		return bare(err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// bare returns the reason alone, for when the path has been named already.
func bare(err error) error {
	var inPath *fs.PathError
	if errors.As(err, &inPath) {
		return inPath.Err
	}
	var inProgram *exec.Error
	if errors.As(err, &inProgram) {
		return inProgram.Err
	}
	return err
}

// module is the module of our programs.
const module = "kcptun"

// warnOfPeer warns if the installed pair is a build of ours: comparing ours with itself
// shows nothing. A pair chosen by flags may be one.
func (b *bench) warnOfPeer(w io.Writer) {
	if b.opts.peer != (lab.Programs{}) {
		return
	}
	for _, path := range []string{b.peer.Client, b.peer.Server} {
		if info, err := buildinfo.ReadFile(path); err == nil && info.Main.Path == module {
			fmt.Fprintf(w, "warning: the installed peer %s is a build of this project, so ours is compared with itself; -peer-client and -peer-server choose another\n", path)
		}
	}
}
