package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"kcptun/e2e/lab"
)

// answer returns what the bench says to a line of arguments, in which two quotes stand for an empty
// one. Its context has ended, so that valid arguments end when building begins.
func answer(t *testing.T, line string, out io.Writer) error {
	t.Helper()
	args := strings.Fields(strings.ReplaceAll(line, "''", "\x00"))
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "\x00", "")
	}
	switch args[0] {
	case "plot":
		return plotCommand(args[1:], out)
	case "fill":
		return fillCommand(args[1:], out, out)
	case "table":
		return tableCommand(args[1:], out, out)
	}
	opts, err := parse(args, out)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return run(ctx, opts, out, out)
}

// refusal is a line of arguments that is refused, and the answer.
type refusal struct{ line, want string }

// refusals lists lines of arguments. dir is an empty folder, foreign a JSON file of something
// else.
func refusals(dir, foreign string) []refusal {
	const times = "want a duration such as 5s, from 0 to 1000h"
	const noProfile = "-profile is for the bulk cases on loopback, such as down1/aes, of which none is selected"
	const noColumn = `-columns "nosuch" selects no column, want part of a name such as ours auto, or tcp bbr`
	rows := []refusal{
		{"-rounds x", `-rounds is "x", want 1 or more, or 0 with -profile`},
		{"-rounds -1", "-rounds is -1, want 1 or more, or 0 with -profile"},
		{"-rounds 0", "-rounds is 0, want 1 or more, or 0 with -profile"},
		{"-size x", `-size is "x", want 0 to 1000000 MB`},
		{"-size -1", "-size is -1, want 0 to 1000000 MB"},
		{"-size 9999999999999999", ""}, // a different error if int has 32 bits
		{"-size 1000001", "-size is 1000001, want 0 to 1000000 MB"},
		{"-churn 5", `-churn is "5", ` + times},
		{"-churn -1s", "-churn is -1s, " + times},
		{"-churn 2000000h", "-churn is 2000000h0m0s, " + times},
		{"-time 5", `-time is "5", ` + times},
		{"-link -time -1s", "-time is -1s, " + times},
		{"-link -time 2000000h", "-time is 2000000h0m0s, " + times},
		{"-soak 5s", "-soak is 5s, want a duration such as 30m, from 10s to 1000h"},
		{"-o x", "-o is for -soak"},
		{"-list=x", `-list is "x", want true or false`},
		{"-nosuch", "there is no flag -nosuch, see -h"},
		{"---list", "bad flag syntax: ---list, see -h"},
		{"-json", "-json has no value, want a file"},
		{"-peer-lacks", "-peer-lacks has no value, want some of aes,aes-128-gcm,salsa20,null"},
		{"-peer-lacks null,aes-256", `-peer-lacks has "aes-256", want some of aes,aes-128-gcm,salsa20,null`},
		{"word", `unexpected argument "word", want flags only, or table, plot or fill as the first word`},
		{"-cells 20/100/0", "-cells is for -link"},
		{"-targets -way up", "-way is for -link"},
		{"-columns auto", "-columns is for -link and -targets"},
		{"-targets -link", "-targets and -link are two commands"},
		{"-resume", "-resume needs -json"},
		{"-time 5s -list", "-time is for -link"},
		{"-link -way x", `-way is "x", want down, up, both, messages`},
		{"-echofirst", "-echofirst is for -link"},
		{"-link -echofirst -way messages", "-echofirst is for transfers, and -way messages has none"},
		{"-link -cells ''", "-cells is empty, want RTT/RATE/LOSS[/BURST[/JITTER[/QUEUE]]][/NAME=VALUE...],..."},
		{"-link -cells ,", "-cells is empty, want RTT/RATE/LOSS[/BURST[/JITTER[/QUEUE]]][/NAME=VALUE...],..."},
		{"-client /none/x -server /none/y", "-client /none/x: no such file"},
		{"-peer-client /none/x -peer-server /none/y -list", "-peer-client /none/x: no such file"},
		{"-client no-such-program -server y", "-client no-such-program: not on the path, want it with its folder, such as ./client"},
		{"-run nosuch", `-run "nosuch" selects no case, see -list`},
		{"-run nosuch -list", `-run "nosuch" selects no case, see -list`},
		{"-run nosuch -list -link", `-run "nosuch" selects no case, see -list`},
		{"-link -list -columns nosuch", noColumn},
		{"-targets -list -columns nosuch", noColumn},
		{"-run echo/ -rounds 0 -profile " + dir, noProfile},
		{"-run echo/ -profile " + dir, noProfile},
		{"-link -list -rounds 0 -profile " + dir, noProfile},
		{"-json report/testdata/none/x.json", "-json report/testdata/none/x.json: "},
		{"-json report/testdata", "-json report/testdata: there, and not a regular file"},
		{"-profile report/testdata/bulk.json/x", "-profile report/testdata/bulk.json/x: "},
		{"plot report/testdata/bulk.json -o", "-o has no value, want a file"},
		{"plot report/testdata/bulk.json", "plot: want files of figures, and -o FILE.svg"},
		{"plot report/testdata/bulk.json -o report/testdata/none/x.svg", "-o report/testdata/none/x.svg: "},
		{"plot ../README.md -o " + dir + "/x.svg", "../README.md: not a file written by -json"},
		{"table ../README.md", "../README.md: not a file written by -json"},
		{"table " + foreign, foreign + ": not a file written by -json"},
		{"table -x", "there is no flag -x, see -h"},
	}
	if runtime.GOOS != "windows" { // there, the file's name decides
		rows = append(rows, refusal{
			"-client report/testdata/bulk.json -server report/testdata/bulk.json", "-client report/testdata/bulk.json: not executable"})
	}
	return rows
}

// Invalid input gets a single line, which names the flag and what is valid, before anything
// is built. Regression: the mistake was printed below 45 lines of help, appeared only after
// the programs were built, or was measured.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign.json")
	must(t, os.WriteFile(foreign, []byte(`{"name": "something else"}`), 0o644))
	screen, err := os.Create(filepath.Join(t.TempDir(), "stderr")) // where package flag would write
	must(t, err)
	defer func(f *os.File) { os.Stderr = f; screen.Close() }(os.Stderr)
	os.Stderr = screen
	for _, row := range refusals(dir, foreign) {
		var out bytes.Buffer
		err := answer(t, row.line, &out)
		switch {
		case err == nil:
			t.Errorf("%s: taken", row.line)
		case strings.HasSuffix(row.want, ": ") && strings.HasPrefix(err.Error(), row.want): // the rest is the system's text
		case row.want == "" && strings.Contains(err.Error(), "want 0 to 1000000 MB"):
		case err.Error() != row.want:
			t.Errorf("%s: %q, want %q", row.line, err, row.want)
		}
		if out.Len() > 0 || err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than a line:\n%s", row.line, &out)
		}
	}
	if text, err := os.ReadFile(screen.Name()); err != nil || len(text) > 0 {
		t.Errorf("%v, or written beside the errors:\n%s", err, text)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// The help begins with what the bench can do besides the flags.
func TestHelp(t *testing.T) {
	for line, want := range map[string][]string{
		"-h":       {"Usage: bench [flags] ", "bench table FILE.json ... ", "bench plot FILE.json ... -o FILE.svg "},
		"--help":   {"Usage: bench [flags] "},
		"table -h": {"Usage: bench table FILE.json ...\n"},
		"fill -h":  {"Usage: bench fill FILE.json ... PAGE.md ...\n"},
		"plot -h":  {"Usage: bench plot FILE.json ... -o FILE.svg\n"},
	} {
		var out bytes.Buffer
		if err := answer(t, line, &out); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("%s: %v", line, err)
		}
		lines := strings.Split(out.String(), "\n")
		for i, part := range want {
			if !strings.HasPrefix(strings.TrimSpace(lines[i])+"\n", part) {
				t.Errorf("%s: line %d is %q, want %q", line, i+1, lines[i], part)
			}
		}
	}
}

// Existing output files are not touched before there is something to write.
func TestOutputsAreChecked(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.json")
	must(t, os.WriteFile(file, []byte("old"), 0o644))
	o := opt(t, "-json", file, "-profile", filepath.Join(dir, "a", "b"))
	must(t, o.checkOutputs())
	text, err := os.ReadFile(file)
	must(t, err)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 || string(text) != "old" {
		t.Errorf("%v is left, %v, and %q in the file", left, err, text)
	}
}

// Regression: a build of this project installed under the peer's name was compared with
// itself without any warning.
func TestWarnsOfPeer(t *testing.T) {
	ours, err := os.Executable() // is a build of this project
	must(t, err)
	const other = "report/testdata/bulk.json"
	for _, c := range []struct {
		peer, chosen lab.Programs
		want         int
	}{
		{lab.Programs{Client: ours, Server: other}, lab.Programs{}, 1},
		{lab.Programs{Client: ours, Server: ours}, lab.Programs{}, 2},
		{lab.Programs{Client: other, Server: other}, lab.Programs{}, 0},
		{lab.Programs{}, lab.Programs{}, 0},
		{lab.Programs{Client: ours, Server: ours}, lab.Programs{Client: ours, Server: ours}, 0},
	} {
		var out bytes.Buffer
		b := &bench{opts: options{peer: c.chosen}, peer: c.peer}
		b.warnOfPeer(&out)
		if strings.Count(out.String(), "\n") != c.want || strings.Count(out.String(), "warning: the installed peer "+ours+" is") != c.want {
			t.Errorf("%+v: %d warnings wanted:\n%s", c, c.want, &out)
		}
	}
}
