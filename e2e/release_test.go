package e2e_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// buildRelease runs build-release.sh for linux/amd64 with additional settings, and returns
// its output folder.
func buildRelease(t *testing.T, settings ...string) (out string, err error) {
	t.Helper()
	for _, tool := range []string{"sh", "go", "tar", "gzip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s not found: build-release.sh is not tested here", tool)
		}
	}
	out = filepath.Join(t.TempDir(), "build")
	cmd := exec.Command("sh", filepath.Join("..", "build-release.sh"))
	cmd.Env = append(os.Environ(), "OUT="+out, "TARGETS=linux/amd64", "VERSION=20260101", "SOURCE_DATE_EPOCH=1767225600")
	cmd.Env = append(cmd.Env, settings...)
	text, err := cmd.CombinedOutput()
	t.Logf("build-release.sh: %v\n%s", err, text)
	return out, err
}

// Two builds that differ in everything that must not matter have the same checksums.
func TestReleaseIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("builds both programs: not with -short")
	}
	const archive = "kcptun-linux-amd64-20260101.tar.gz"
	var sums [2]string
	for i, settings := range [][]string{nil, {"TZ=Asia/Tokyo", "GOAMD64=v3", "GOFLAGS=-buildvcs=true", "LC_ALL=C.UTF-8"}} {
		out, err := buildRelease(t, settings...)
		if err != nil {
			t.Fatal("the script failed")
		}
		if got := names(t, out); !slices.Equal(got, []string{"SHA256SUMS", archive}) {
			t.Errorf("the output folder holds %v", got)
		}
		text, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = string(text)
		checkArchive(t, filepath.Join(out, archive))
	}
	if sums[0] != sums[1] {
		t.Errorf("two runs differ:\n%s%s", sums[0], sums[1])
	}
	if !strings.HasSuffix(sums[0], "  "+archive+"\n") || strings.Count(sums[0], "\n") != 1 {
		t.Errorf("SHA256SUMS reads %q", sums[0])
	}
}

// checkArchive expects the two bare programs, and nothing that shows where or by whom they
// were packed.
func checkArchive(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	if zip.Name != "" || !zip.ModTime.IsZero() {
		t.Errorf("the gzip header holds name %q and time %v", zip.Name, zip.ModTime)
	}
	var found []string
	pack := tar.NewReader(zip)
	for {
		head, err := pack.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, head.Name)
		if head.Uid != 0 || head.Gid != 0 || head.Uname != "" || head.Gname != "" || head.Mode != 0o755 || head.ModTime.Unix() != 1767225600 {
			t.Errorf("%s: owner %d/%d %q/%q, mode %o, time %v", head.Name, head.Uid, head.Gid, head.Uname, head.Gname, head.Mode, head.ModTime)
		}
		if head.Size < 1<<20 {
			t.Errorf("%s: %d bytes are no Go program", head.Name, head.Size)
		}
	}
	if want := []string{"client_linux_amd64", "server_linux_amd64"}; !slices.Equal(found, want) {
		t.Errorf("the archive holds %v, want %v", found, want)
	}
}

func TestReleaseRefuses(t *testing.T) {
	for setting, why := range map[string]string{
		"TARGETS=linux/amd64 linux/sparc": "an unknown target",
		"VERSION=a b":                     "a version that cannot be part of a file name",
		"SOURCE_DATE_EPOCH=today":         "a time that is no number",
		"TAR=no-such-tar":                 "a tool that is not there",
		"GOFLAGS=-mod=nonsense":           "a build that fails",
	} {
		out, err := buildRelease(t, setting)
		if err == nil {
			t.Errorf("the script accepted %s", why)
		}
		if got := names(t, out); len(got) > 0 {
			t.Errorf("%s: left %v", why, got)
		}
	}
}
