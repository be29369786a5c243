package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// mount puts a file system in memory of so many KiB over the program's folder, with the tiny
// pipeline in it, or skips the test where that is not ours to do. resize changes its size, or
// with "ro" makes it one that can only be read.
func (p *program) mount(kib int) (resize func(options string, flags uintptr)) {
	p.t.Helper()
	size := fmt.Sprintf("size=%dk", kib)
	if err := syscall.Mount("tmpfs", p.dir, "tmpfs", 0, size); err != nil {
		p.t.Skipf("no file system may be mounted: %v", err)
	}
	p.t.Cleanup(func() {
		if err := syscall.Unmount(p.dir, 0); err != nil {
			p.t.Error(err)
		}
	})
	p.tiny()
	return func(options string, flags uintptr) {
		p.t.Helper()
		if err := syscall.Mount("tmpfs", p.dir, "tmpfs", syscall.MS_REMOUNT|flags, options); err != nil {
			p.t.Fatal(err)
		}
	}
}

// cacheElsewhere is a cache folder that is not in the way of what a test does to a program's.
func cacheElsewhere(t *testing.T) string { return "LFM_CACHE_DIR=" + t.TempDir() }

// TestDiskFull: a disk that gets full in the middle of any stage ends the run with a word on
// what to do; what was published before is whole, and with more room the next run goes on.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, kib := range []int{32, 160, 400, 480} {
		t.Run(fmt.Sprintf("%d KiB", kib), func(t *testing.T) {
			p := newProgram(t, cacheElsewhere(t))
			remount := p.mount(kib)
			p.fails(exitFailed, []string{"run"}, p.dir, "no space left on device", "make room")
			p.states()
			p.run("artifacts", "verify")
			remount("size=20m", 0)
			p.recovers()
		})
	}
}

// TestFileLimit is TestDiskFull for whoever may mount nothing: a limit on the size of files.
func TestFileLimit(t *testing.T) {
	t.Parallel()
	for _, blocks := range []int{2, 16, 64, 150} {
		t.Run(fmt.Sprintf("%d KiB", blocks), func(t *testing.T) {
			p := newProgram(t)
			p.tiny()
			text, code := p.shell(fmt.Sprintf("ulimit -f %d; exec lfm run", blocks))
			if code != exitFailed || !strings.Contains(text, "file too large; raise the limit") || !strings.Contains(text, p.dir) {
				t.Errorf("exit code %d\n%s", code, text)
			}
			p.run("artifacts", "verify")
			p.recovers()
		})
	}
}

// shell runs a line of bash in the program's folder: what it says on stderr, and its exit code.
func (p *program) shell(line string) (stderr string, code int) {
	p.t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		p.t.Skip(err)
	}
	cmd := p.command()
	cmd.Path, cmd.Args = bash, []string{"bash", "-c", line}
	var text bytes.Buffer
	cmd.Stderr = &text
	cmd.Run()
	if strings.Contains(text.String(), "goroutine ") {
		p.t.Errorf("%s: shows its stack:\n%s", line, text.String())
	}
	return text.String(), cmd.ProcessState.ExitCode()
}

// TestReadOnly: on a store that can only be read, all works that need not write, a run whose
// stages are cached and a generate to elsewhere included; what has to compute says so before
// it begins.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	p := newProgram(t, cacheElsewhere(t))
	remount := p.mount(20 << 10)
	p.recovers()
	remount("", syscall.MS_RDONLY)
	defer remount("", 0)
	for _, args := range []string{"status", "dag", "explain flow", "logs", "artifacts ls", "artifacts show flow",
		"artifacts verify", "run", "run --dry-run", "resume", "generate --prompt-class cat -n 1 --out " + t.TempDir()} {
		p.run(strings.Fields(args)...)
	}
	store := filepath.Join(p.dir, ".lfm")
	for _, args := range []string{"run --set seed=9", "run --force flow", "resume --from flow"} {
		p.fails(exitFailed, strings.Fields(args), "the store "+store+" cannot be written", "--store")
	}
	p.fails(exitFailed, strings.Fields("generate --prompt-class cat -n 1"), filepath.Join(p.dir, "out", "cat"), "read-only", "another place")
}

// unprivileged makes the program run as nobody, where the test runs as root, whom no
// permission stops.
func (p *program) unprivileged() {
	p.t.Helper()
	if os.Getuid() != 0 {
		return
	}
	const nobody = 65534
	lfm, err := exec.LookPath("lfm")
	if err != nil {
		p.t.Fatal(err)
	}
	bin := p.t.TempDir()
	data, err := os.ReadFile(lfm)
	if err == nil {
		err = os.WriteFile(filepath.Join(bin, "lfm"), data, 0o755)
	}
	for _, dir := range []string{bin, filepath.Dir(bin), filepath.Dir(p.dir)} {
		if err == nil {
			err = os.Chmod(dir, 0o755)
		}
	}
	if err == nil {
		err = filepath.WalkDir(p.dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, nobody, nobody)
		})
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.binary, p.credential = filepath.Join(bin, "lfm"), &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := p.command("version").Run(); err != nil {
		p.t.Skipf("nobody may not run it: %v", err)
	}
}

// TestNoPermission: whatever may not be read or written is named, with what to do; before a
// stage is computed rather than after; and once it may, the run goes on.
func TestNoPermission(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	p.unprivileged()
	p.run("run", "--until", "autoencoder")
	computed := len(p.artifacts())
	for _, c := range []struct {
		path string // below the program's folder
		mode fs.FileMode
		args string
		code int
	}{
		{".lfm", 0, "status", exitFailed},
		{".lfm", 0, "run", exitFailed},
		{".lfm/FORMAT", 0, "run", exitFailed},
		{".lfm/locks", 0o555, "run", exitFailed},
		{".lfm/aside", 0o555, "run", exitFailed},
		{".lfm/runs", 0o555, "run", exitFailed},
		{".lfm/actions", 0o555, "run", exitFailed},
		{".lfm/artifacts", 0o555, "run", exitFailed},
		{".lfm/artifacts", 0, "status", exitFailed},
		{".lfm/work", 0o555, "run", exitFailed},
		{".lfm/roots", 0o555, "run", exitFailed},
		{"pipeline.yaml", 0, "run", exitUsage},
		{"pipeline.yaml", 0, "status", exitUsage},
	} {
		path := filepath.Join(p.dir, filepath.FromSlash(c.path))
		info, err := os.Stat(path)
		if err == nil {
			err = os.Chmod(path, c.mode)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.fails(c.code, strings.Fields(c.args), path, "permission denied", "make it ")
		if err := os.Chmod(path, info.Mode()); err != nil {
			t.Fatal(err)
		}
		if got := len(p.artifacts()); got != computed {
			t.Errorf("%s with mode %o: %d artifacts, had %d", c.path, c.mode, got, computed)
		}
	}

	out := filepath.Join(p.dir, "out")
	os.Mkdir(out, 0o555)
	p.fails(exitFailed, []string{"run"}, out, "permission denied", "another place")
	os.Remove(out)

	// What is only remembered need not be: no home, no cache, no folder for temporary files.
	p.env = append(p.env, "LFM_CACHE_DIR=/proc/none", "HOME=", "XDG_CACHE_HOME=", "TMPDIR=/proc/none")
	p.run("run", "--force", "flow")
	p.env = append(p.env, "LFM_CACHE_DIR=")
	p.recovers()

	// A store of which nothing may be written serves whoever reads.
	folders, err := filepath.Glob(filepath.Join(p.dir, ".lfm", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o555, 0o777} {
		for _, f := range append(folders, filepath.Join(p.dir, ".lfm")) {
			if info, err := os.Stat(f); err != nil || info.IsDir() && os.Chmod(f, mode) != nil {
				t.Fatal(f, err)
			}
		}
		if mode == 0o777 {
			break
		}
		for _, args := range []string{"status", "run", "artifacts verify", "generate --prompt-class cat -n 1"} {
			p.run(strings.Fields(args)...)
		}
		p.fails(exitFailed, []string{"run", "--force", "flow"}, "cannot be written", "make it writable")
	}
}

// artifacts are the folders that stand among the store's artifacts.
func (p *program) artifacts() []string {
	all, _ := filepath.Glob(filepath.Join(p.dir, ".lfm", "artifacts", "*"))
	return all
}

// TestOtherFileSystem: the store need not lie on the file system of pipeline.yaml.
func TestOtherFileSystem(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	dir, err := os.MkdirTemp("/dev/shm", "lfm")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)
	var here, there syscall.Stat_t
	if syscall.Stat(p.dir, &here) != nil || syscall.Stat(dir, &there) != nil || here.Dev == there.Dev {
		t.Skip("temporary files are in memory already")
	}
	if err := os.Symlink(dir, filepath.Join(p.dir, ".lfm")); err != nil {
		t.Fatal(err)
	}
	p.recovers()
	p.run("generate", "--prompt-class", "cat", "-n", "1")
}

// TestFewFiles: few open files are enough.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	if text, code := p.shell("ulimit -n 64; exec lfm run --jobs 2"); code != exitDone {
		t.Errorf("exit code %d\n%s", code, text)
	}
	p.recovers()
}

// TestStreams: whoever does not listen is told nothing, and sees no stack; results that could
// not be written are a failure, progress that nobody reads is none.
func TestStreams(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.tiny()
	p.shell("lfm run 2>&1 | head -1") // ends it wherever it is: the next goes on from there
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"lfm run >&- 2>&-", exitDone, ""},
		{"lfm status | head -0", exitDone, ""},
		{"lfm status --json | head -0", exitDone, ""},
		{"lfm status >&-", exitDone, ""},
		{"lfm run 2>/dev/full", exitDone, ""},
		{"lfm status >/dev/full", exitFailed, "no space left"},
		{"lfm artifacts show flow >/dev/full", exitFailed, "no space left"},
		{"lfm logs >/dev/full", exitFailed, "no space left"},
		{"lfm generate --prompt-class cat -n 1 >/dev/full", exitFailed, "no space left"},
		{"lfm status </dev/null", exitDone, ""},
	} {
		text, code := p.shell(c.line)
		if code != c.code || !strings.Contains(text, c.want) || c.want == "" && text != "" {
			t.Errorf("%s: exit code %d, stderr %q; want %d, %q", c.line, code, text, c.code, c.want)
		}
	}
	if got, want := p.outputs(), tinyOutputs(t); !maps.Equal(got, want) {
		t.Errorf("outputs %v, want %v", got, want)
	}
}
