package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kcptun/e2e/lab"
)

// nobody is the user that runs a unit in these tests, in place of systemd's dynamic one.
const nobody = "65534"

// unit is the part of a unit file that says how its program is started.
type unit struct {
	execStart, loadCredential, capabilities string
	environment                             []string
}

func readUnit(t *testing.T, path string) unit {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	var u unit
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "ExecStart":
			u.execStart = value
		case "LoadCredential":
			u.loadCredential = value
		case "CapabilityBoundingSet":
			u.capabilities = value
		case "Environment":
			u.environment = append(u.environment, value)
		}
	}
	return u
}

// asNobody returns the arguments of setpriv that run what follows with the rights of a unit.
func (u unit) asNobody() []string {
	rights := "-all"
	for name := range strings.FieldsSeq(u.capabilities) {
		rights += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
	}
	return []string{"--reuid", nobody, "--regid", nobody, "--clear-groups", "--no-new-privs",
		"--bounding-set=" + rights, "--inh-caps=" + rights, "--ambient-caps=" + rights}
}

// install writes a settings file for root alone, and does what LoadCredential stands for: it
// puts a copy into a folder of the unit's user. It returns the settings file, and the words
// of ExecStart with the program from the folder and the credentials in their place.
func (u unit) install(t *testing.T, folder, settings string) (file string, words []string) {
	t.Helper()
	id, source, _ := strings.Cut(u.loadCredential, ":")
	file = filepath.Join(folder, filepath.Base(source))
	credentials := file + ".credentials"
	must(t, os.Mkdir(credentials, 0o700))
	for _, path := range []string{file, filepath.Join(credentials, id)} {
		must(t, os.WriteFile(path, []byte(settings), 0o600))
	}
	out, err := exec.Command("chown", "-R", nobody+":"+nobody, credentials).CombinedOutput()
	if err != nil {
		t.Fatalf("chown: %v, %s", err, out)
	}
	words = strings.Fields(strings.ReplaceAll(u.execStart, "${CREDENTIALS_DIRECTORY}", credentials))
	words[0] = filepath.Join(folder, filepath.Base(words[0]))
	return file, words
}

// The units of dist/linux run as a user without a name, and their settings belong to root
// because the key is in them. Both programs get them nevertheless, and carry data.
func TestUnitsReadTheirSettings(t *testing.T) {
	setpriv, err := exec.LookPath("setpriv")
	if err != nil || os.Getuid() != 0 {
		t.Skip("this needs root and setpriv")
	}
	t.Parallel()
	folder := programsForAll(t)
	target, listen := startTarget(t, "127.0.0.1:0"), freeAddr(t)
	running := map[string]*program{}
	for _, c := range []struct{ end, settings string }{
		{"server", fmt.Sprintf(`{"key": %q, "listen": %q, "target": %q}`, secret, listen, target.Addr())},
		{"client", fmt.Sprintf(`{"key": %q, "localaddr": "127.0.0.1:0", "remoteaddr": %q}`, secret, listen)},
	} {
		u := readUnit(t, filepath.Join("..", "dist", "linux", "kcptun-"+c.end+".service"))
		if out, err := exec.Command(setpriv, append(u.asNobody(), "true")...).CombinedOutput(); err != nil {
			t.Skipf("this root may not hand its rights on: %v, %s", err, out)
		}
		file, words := u.install(t, folder, c.settings)
		run := func(name string, words ...string) *program {
			return launch(t, name, setpriv, u.environment, append(u.asNobody(), words...))
		}
		check := run("check of the "+c.end, append(words[:len(words):len(words)], "check")...)
		check.mustExit(t, 0)
		check.mustLog(t, listen)
		// Without the credential that user could read nothing.
		direct := run(c.end+" with root's file", words[0], "-c", file)
		direct.mustExit(t, 1)
		direct.mustLog(t, "permission denied")
		running[c.end] = run(c.end, words...)
		running[c.end].mustLog(t, "msg=listening")
	}
	addr, err := running["client"].ListenAddr(patient(t))
	must(t, err)
	tn := &tunnel{target: target, dial: lab.DialTo(addr)}
	tn.exchange(t, 64*kib)
	must(t, target.WaitIdle(patient(t)))
}

// programsForAll returns a folder with both programs, under the names that the units use,
// which every user may enter. The folder that they are built in belongs to root.
func programsForAll(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "e2e-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(folder) })
	must(t, os.Chmod(folder, 0o755))
	for name, path := range map[string]string{"client": programs.Client, "server": programs.Server} {
		must(t, os.Link(path, filepath.Join(folder, "kcptun-"+name)))
	}
	return folder
}
