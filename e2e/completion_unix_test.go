//go:build unix

package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// askBash calls the completion function as bash would at the end of the line $2, which it has split
// into the words after that.
const askBash = `
eval "$("$1" completion bash)" || exit
COMP_LINE=$2 COMP_POINT=${#2}
shift 2
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_kcptun_complete
printf '%s\n' "${COMPREPLY[@]}"
`

// Bash completes flags, commands and values, also those behind an equals sign, at which it splits
// words, and without the package bash-completion. It executes nothing of the line but the program.
func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	folder := t.TempDir()
	if err := os.Symlink(absolute(t, programs.Client), filepath.Join(folder, "kcptun-client")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, words, want string }{ // words are separated by |
		{"--snd", "--snd", "--sndwnd"},
		{"gen", "gen", "genkey"},
		{"check --js", "check|--js", "--json"},
		{"--mode fas", "--mode|fas", "fast3 fast2 fast"},
		{"--mode ", "--mode|", "auto fast3 fast2 fast normal manual"},
		{"--mode=fas", "--mode|=|fas", "fast3 fast2 fast"},
		{"--mode=", "--mode|=", "auto fast3 fast2 fast normal manual"},
		{"-mode=n", "-mode|=|n", "normal"},
		{"--mode=fas", "--mode=fas", "--mode=fast3 --mode=fast2 --mode=fast"}, // COMP_WORDBREAKS without =
		{"-l :1 -r [::1]:2 --mode=ma", "-l|:|1|-r|[|::|1]|:|2|--mode|=|ma", "manual"},
		{"--log ", "--log|", ""}, // names of files
		{"--log=x", "--log|=|x", ""},
		{"--key $(touch ran) --snd", "--key|$(touch ran)|--snd", "--sndwnd"},
	} {
		words := append([]string{"./kcptun-client"}, strings.Split(c.words, "|")...)
		cmd := exec.Command(bash, append([]string{"--norc", "-c", askBash, "bash", words[0], words[0] + " " + c.line}, words...)...)
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		if got := strings.Fields(string(out)); err != nil || !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s: %q, want %s; %v", c.line, got, c.want, err)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "ran")); err == nil {
		t.Error("a command on the line was executed")
	}
}

// askZsh calls the completion function with the words after $1. It prints what the function would
// have zsh complete: the choices, or files and what is not part of their names.
const askZsh = `
compdef() { }
compset() { print -r -- behind "$2" }
_describe() { print -rl -- "${(@P)2}" }
_files() { print files }
eval "$("$1" completion zsh)" || exit
shift
words=("$@") CURRENT=$#
_kcptun-client
`

func TestCompletionInZsh(t *testing.T) {
	t.Parallel()
	zsh, err := exec.LookPath("zsh")
	if err != nil {
		t.Skip("needs zsh")
	}
	folder := t.TempDir()
	if err := os.Symlink(absolute(t, programs.Client), filepath.Join(folder, "kcptun-client")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ words, want string }{ // words are separated by |
		{"--sndw", "--sndwnd:"},
		{"gen", "genkey:"},
		{"check|--js", "--json:"},
		{"--mode|fas", "fast3"},
		{"--mode=fas", "--mode=fast3"},
		{"--log|", "files"},
		{"--log=x", "behind -*=\nfiles"},
		{"-c=", "behind -*=\nfiles"},
		{"--key|$(touch ran)|--sndw", "--sndwnd:"},
	} {
		words := append([]string{"./kcptun-client"}, strings.Split(c.words, "|")...)
		cmd := exec.Command(zsh, append([]string{"-f", "-c", askZsh, "zsh", words[0]}, words...)...)
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %q, want %q; %v", c.words, out, c.want, err)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "ran")); err == nil {
		t.Error("a command on the line was executed")
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
