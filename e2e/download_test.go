package e2e_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fakeArchive is a release archive as build-release.sh packs it, with a line of text for each program.
func fakeArchive(t *testing.T, system, version string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	pack := tar.NewWriter(zip)
	for _, name := range []string{"client_" + system, "server_" + system} {
		text := name + " " + version
		if err := pack.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := pack.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := pack.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// releaseFolder is what a publisher serves: archives by file name, and the matching
// SHA256SUMS.
type releaseFolder map[string][]byte

func (f releaseFolder) add(t *testing.T, system, version string) {
	name := "kcptun-" + strings.ReplaceAll(system, "_", "-") + "-" + version + ".tar.gz"
	f[name] = fakeArchive(t, system, version)
	f["SHA256SUMS"] = append(f["SHA256SUMS"], fmt.Sprintf("%x  %s\n", sha256.Sum256(f[name]), name)...)
}

func (f releaseFolder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, ok := f[strings.TrimPrefix(r.URL.Path, "/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(data) // if the client hangs up, the failure shows there
}

// download is one run of download.sh, piped into sh as its users run it.
type download struct {
	dir  string // the value of KCPTUN_DIR; created by the script
	temp string // the value of TMPDIR
	out  string // standard output and error
	err  error
}

// runDownload serves the folder on loopback and runs the script with only these settings.
func runDownload(t *testing.T, folder releaseFolder, settings ...string) download {
	t.Helper()
	for _, tool := range []string{"sh", "curl", "tar", "gzip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s not found: download.sh is not tested here", tool)
		}
	}
	script, err := os.ReadFile(filepath.Join("..", "download.sh"))
	if err != nil {
		t.Fatal(err)
	}
	// A publisher may have put an address in; the tests must not go there.
	script = regexp.MustCompile(`(?m)^DEFAULT_URL=.*$`).ReplaceAll(script, []byte("DEFAULT_URL="))
	web := httptest.NewServer(folder)
	defer web.Close()

	d := download{dir: filepath.Join(t.TempDir(), "new", "folder"), temp: t.TempDir()}
	cmd := exec.Command("sh")
	cmd.Stdin = bytes.NewReader(script)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "KCPTUN_DIR=" + d.dir, "TMPDIR=" + d.temp}
	for _, s := range settings {
		cmd.Env = append(cmd.Env, strings.ReplaceAll(s, "WEB", web.URL))
	}
	out, err := cmd.CombinedOutput()
	d.out, d.err = string(out), err
	t.Logf("download.sh: %v\n%s", err, out)

	if left := names(t, d.temp); len(left) > 0 {
		t.Errorf("left in the temporary folder: %v", left)
	}
	if left := names(t, cmd.Dir); len(left) > 0 {
		t.Errorf("left in the working folder: %v", left)
	}
	return d
}

// names lists a folder, including hidden files; the list is empty if there is no folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// mustInstall checks that exactly the two programs of this system and version are
// installed, and that they run.
func (d download) mustInstall(t *testing.T, system, version string) {
	t.Helper()
	if d.err != nil {
		t.Fatal("the script failed")
	}
	want := []string{"client_" + system, "server_" + system}
	if got := names(t, d.dir); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("installed %v, want %v", got, want)
	}
	for _, name := range want {
		path := filepath.Join(d.dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(text) != name+" "+version {
			t.Errorf("%s holds %q, want version %s", name, text, version)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: mode %v, error %v, want 0755", name, info.Mode(), err)
		}
	}
}

// mustRefuse checks that the exit code is 1, that one line says what was wrong, and that
// nothing was installed.
func (d download) mustRefuse(t *testing.T, why string) {
	t.Helper()
	exit, ok := d.err.(*exec.ExitError)
	if !ok || exit.ExitCode() != 1 {
		t.Errorf("ended with %v, want exit status 1", d.err)
	}
	// curl adds its own line if the server refused, so the script's line is the last.
	lines := strings.Split(strings.TrimSpace(d.out), "\n")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, "download: ") || !strings.Contains(last, why) {
		t.Errorf("said %q, want it to begin with \"download: \" and to name %q", last, why)
	}
	if got := names(t, filepath.Dir(d.dir)); len(got) > 0 {
		t.Errorf("installed all the same: %v", got)
	}
}

const (
	linuxOS    = "KCPTUN_OS=linux"
	linuxAMD64 = "KCPTUN_ARCH=amd64"
)

func TestDownloadInstalls(t *testing.T) {
	folder := releaseFolder{}
	folder.add(t, "linux_amd64", "20260101")
	folder.add(t, "linux_arm5", "20260101")
	folder.add(t, "linux_mipsle", "20260101")
	runDownload(t, folder, "KCPTUN_URL=WEB", linuxOS, linuxAMD64).mustInstall(t, "linux_amd64", "20260101")
	// a slash at the end of the address, and Windows line ends
	folder["SHA256SUMS"] = bytes.ReplaceAll(folder["SHA256SUMS"], []byte("\n"), []byte("\r\n"))
	runDownload(t, folder, "KCPTUN_URL=WEB/", linuxOS, linuxAMD64).mustInstall(t, "linux_amd64", "20260101")
}

// The processor's name decides, whatever this machine is.
func TestDownloadKnowsProcessors(t *testing.T) {
	for machine, arch := range map[string]string{
		"x86_64": "amd64", "i386": "386", "i686": "386", "aarch64": "arm64", "loongarch64": "loong64", "riscv64": "riscv64",
		"armv5tel": "arm5", "armv6l": "arm6", "armv7l": "arm7", "armv8l": "arm7",
	} {
		t.Run(machine, func(t *testing.T) {
			folder := releaseFolder{}
			folder.add(t, "linux_"+arch, "20260101")
			runDownload(t, folder, "KCPTUN_URL=WEB", fakeUname(t, "Linux", machine)).mustInstall(t, "linux_"+arch, "20260101")
		})
	}
	for _, system := range []string{"Darwin", "FreeBSD"} {
		t.Run(system, func(t *testing.T) {
			folder := releaseFolder{}
			name := strings.ToLower(system) + "_amd64"
			folder.add(t, name, "20260101")
			runDownload(t, folder, "KCPTUN_URL=WEB", fakeUname(t, system, "amd64")).mustInstall(t, name, "20260101")
		})
	}
	t.Run("unknown", func(t *testing.T) {
		runDownload(t, releaseFolder{}, "KCPTUN_URL=WEB", fakeUname(t, "Linux", "sparc64")).mustRefuse(t, "sparc64")
		runDownload(t, releaseFolder{}, "KCPTUN_URL=WEB", fakeUname(t, "Plan9", "i386")).mustRefuse(t, "Plan9")
	})
}

// fakeUname returns a PATH on which uname answers like another machine.
func fakeUname(t *testing.T, system, machine string) string {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\ncase $1 in\n-s) echo %s ;;\n-m) echo %s ;;\nesac\n", system, machine)
	if err := os.WriteFile(filepath.Join(dir, "uname"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return "PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH")
}

// toolPath returns a PATH with what the script always needs plus these tools, so that each
// branch of the script can be tested.
func toolPath(t *testing.T, extra ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range append(strings.Fields("sh awk cut tr sed uname mktemp mkdir rm mv chmod gzip tar"), extra...) {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("%s not found", tool)
		}
		if err := os.Symlink(path, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	return "PATH=" + dir
}

// Regression: with neither sha256sum nor shasum available, the script called itself
// endlessly.
func TestDownloadWithEachTool(t *testing.T) {
	folder := releaseFolder{}
	folder.add(t, "linux_amd64", "20260101")
	for _, tools := range []string{"curl sha256sum", "curl shasum", "curl openssl", "wget sha256sum"} {
		t.Run(tools, func(t *testing.T) {
			runDownload(t, folder, "KCPTUN_URL=WEB", linuxOS, linuxAMD64, toolPath(t, strings.Fields(tools)...)).
				mustInstall(t, "linux_amd64", "20260101")
		})
	}
	t.Run("none", func(t *testing.T) {
		runDownload(t, folder, "KCPTUN_URL=WEB", linuxOS, linuxAMD64, toolPath(t)).mustRefuse(t, "neither curl")
		runDownload(t, folder, "KCPTUN_URL=WEB", linuxOS, linuxAMD64, toolPath(t, "curl")).mustRefuse(t, "neither sha256sum")
	})
}

func TestDownloadPicksNewest(t *testing.T) {
	folder := releaseFolder{}
	folder.add(t, "linux_amd64", "20251230")
	folder.add(t, "linux_amd64", "20260102.10")
	folder.add(t, "linux_amd64", "20260102.9")
	folder.add(t, "linux_arm5", "20270101") // for another system
	runDownload(t, folder, "KCPTUN_URL=WEB", linuxOS, linuxAMD64).mustInstall(t, "linux_amd64", "20260102.10")
	runDownload(t, folder, "KCPTUN_URL=WEB", linuxOS, linuxAMD64, "KCPTUN_VERSION=20251230").
		mustInstall(t, "linux_amd64", "20251230")
	runDownload(t, folder, "KCPTUN_URL=WEB", linuxOS, linuxAMD64, "KCPTUN_VERSION=20240101").mustRefuse(t, "20240101")
}

func TestDownloadRefusesWrongSum(t *testing.T) {
	folder := releaseFolder{}
	folder.add(t, "linux_amd64", "20260101")
	// A different but valid archive under the same name: only the checksum can tell.
	folder["kcptun-linux-amd64-20260101.tar.gz"] = fakeArchive(t, "linux_amd64", "another")
	runDownload(t, folder, "KCPTUN_URL=WEB", linuxOS, linuxAMD64).mustRefuse(t, "SHA-256")
}

func TestDownloadRefusesWhatIsNotThere(t *testing.T) {
	folder := releaseFolder{}
	folder.add(t, "linux_arm5", "20260101")
	t.Run("system", func(t *testing.T) {
		runDownload(t, folder, "KCPTUN_URL=WEB", linuxOS, linuxAMD64).mustRefuse(t, "no archive for linux amd64")
	})
	t.Run("archive", func(t *testing.T) {
		sums := folder["SHA256SUMS"]
		runDownload(t, releaseFolder{"SHA256SUMS": sums}, "KCPTUN_URL=WEB", linuxOS, "KCPTUN_ARCH=arm5").
			mustRefuse(t, "kcptun-linux-arm5-20260101.tar.gz")
	})
	t.Run("sums", func(t *testing.T) {
		runDownload(t, releaseFolder{}, "KCPTUN_URL=WEB", linuxOS, linuxAMD64).mustRefuse(t, "SHA256SUMS")
	})
}

func TestDownloadNeedsAnAddress(t *testing.T) {
	d := runDownload(t, releaseFolder{}, linuxOS, linuxAMD64)
	d.mustRefuse(t, "KCPTUN_URL")
	if strings.Count(d.out, "\n") != 1 {
		t.Errorf("want one line, got %q", d.out)
	}
}
