package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headgate/headgate/cmd/internal/dev"
	"github.com/headgate/headgate/conformance/recipient"
)

// patience bounds every wait for a process on a machine under heavy load.
const patience = 5 * time.Minute

// command prepares the program with a small environment of its own: what the
// developer has set for other stacks must not reach it.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	must(t, err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = os.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "HOME=" + os.TempDir()}
	return cmd
}

// result is what a command has come to.
type result struct {
	code   int
	stdout string
	stderr string
}

// start starts a command and returns what is closed at its end. The process
// ends with us, whatever we end by: a test that dies must not leave a stack
// behind. The goroutine keeps its thread because the kernel goes by that.
func start(cmd *exec.Cmd) (ended chan struct{}, err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	dieWithUs(cmd.SysProcAttr)
	ended = make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the state tells
			close(ended)
		}
	}()
	return ended, <-started
}

// finish runs a command to its end.
func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, faults logBuffer
	cmd.Stdout, cmd.Stderr = &out, &faults
	ended, err := start(cmd)
	must(t, err)
	<-ended
	return result{cmd.ProcessState.ExitCode(), out.String(), faults.String()}
}

// headgate runs the program to its end.
func headgate(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, command(t, args...))
}

// succeed runs the program and returns what it printed.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	r := headgate(t, args...)
	if r.code != 0 {
		t.Fatalf("headgate %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// stack is a running `headgate dev`.
type stack struct {
	cmd            *exec.Cmd
	home           string
	stdout, stderr *logBuffer
	exited         chan struct{}
	recipient.Stack
	// postgres is the folder of the private cluster: below home, or elsewhere
	// if its user cannot get there. Empty when the server is not private.
	postgres string
}

// newHome returns a state folder that every user can reach, so that no
// stand-in for it is needed.
func newHome(t *testing.T) string {
	t.Helper()
	dir, err := publicDir("")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return filepath.Join(dir, "home")
}

// startStack starts `headgate dev` on free ports and returns when dev.json is
// there. as, if not nil, changes the command first.
func startStack(t *testing.T, home string, as func(*exec.Cmd), args ...string) *stack {
	t.Helper()
	if len(args) == 0 || args[0] != "--port-base" {
		args = append([]string{"--port-base", "0"}, args...)
	}
	cmd := command(t, append([]string{"dev", "--home", home}, args...)...)
	if as != nil {
		as(cmd)
	}
	file := filepath.Join(home, dev.FileName)
	crashed, _ := os.Stat(file) // what a crash left says nothing about this start
	s := &stack{cmd: cmd, home: home, stdout: &logBuffer{}, stderr: &logBuffer{}}
	cmd.Stdout, cmd.Stderr = s.stdout, s.stderr
	var err error
	s.exited, err = start(cmd)
	must(t, err)
	end := func() {
		_ = cmd.Process.Kill()
		<-s.exited
	}
	t.Cleanup(end)
	s.await(t, "dev.json", func() bool {
		info, err := os.Stat(file)
		if err != nil || crashed != nil && os.SameFile(info, crashed) {
			return false
		}
		s.Stack, err = recipient.ReadStack(file)
		must(t, err) // written in one step: what is there is whole
		return true
	})
	if !slices.Contains(args, "--postgres-dsn") {
		db, err := sql.Open("pgx", s.PostgresDSN)
		must(t, err)
		defer db.Close() //nolint:errcheck // read only
		must(t, db.QueryRowContext(t.Context(), "SHOW data_directory").Scan(&s.postgres))
		s.postgres = filepath.Dir(s.postgres)
		t.Cleanup(func() {
			end()
			must(t, os.RemoveAll(s.postgres))
		})
	}
	return s
}

// await polls for something that a process does; processes send no signals
// that could be waited for.
func (s *stack) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-s.exited:
			t.Fatalf("waiting for %s, the stack ended with exit code %d\n%s%s", what, s.cmd.ProcessState.ExitCode(), s.stdout, s.stderr)
		case <-end:
			t.Fatalf("%s did not come within %v\n%s%s", what, patience, s.stdout, s.stderr)
		}
	}
}

// stop asks the stack to end and returns its exit code.
func (s *stack) stop(t *testing.T) int {
	t.Helper()
	must(t, s.cmd.Process.Signal(syscall.SIGTERM))
	s.wait(t)
	return s.cmd.ProcessState.ExitCode()
}

func (s *stack) wait(t *testing.T) {
	t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		t.Fatalf("the stack did not end within %v", patience)
	}
}

// client returns recipient number i of the stack.
func (s *stack) client(t *testing.T, i int) *recipient.Client {
	t.Helper()
	config, err := s.Recipient(i)
	must(t, err)
	c, err := recipient.Connect(t.Context(), config)
	must(t, err)
	return c
}

// process is one line of the list of processes.
type process struct {
	pid, parent int
	command     string
}

func (p process) String() string { return fmt.Sprintf("%d %s", p.pid, p.command) }

// processes lists what runs. A zombie does not run any more.
func processes(t *testing.T) map[int]process {
	t.Helper()
	all := map[int]process{}
	if runtime.GOOS != "linux" {
		out, err := exec.Command("ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,command=").Output()
		must(t, err)
		for line := range strings.Lines(string(out)) {
			var p process
			var state string
			if _, err := fmt.Sscan(line, &p.pid, &p.parent, &state, &p.command); err == nil && !strings.HasPrefix(state, "Z") {
				all[p.pid] = p
			}
		}
		return all
	}
	folders, err := filepath.Glob("/proc/[0-9]*")
	must(t, err)
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		must(t, err)
		stat, err1 := os.ReadFile(folder + "/stat")
		words, err2 := os.ReadFile(folder + "/cmdline")
		if err1 != nil || err2 != nil {
			continue // it has ended meanwhile
		}
		// The name in parentheses may hold anything.
		_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		parent, err := strconv.Atoi(fields[1])
		must(t, err)
		all[pid] = process{pid, parent, strings.TrimRight(strings.ReplaceAll(string(words), "\x00", " "), " ")}
	}
	return all
}

// family returns what a process has started, and what that has started.
func family(t *testing.T, pid int) []process {
	t.Helper()
	all := processes(t)
	var found []process
	for _, p := range all {
		for up := p.parent; up > 1; up = all[up].parent {
			if up == pid {
				found = append(found, p)
				break
			}
		}
	}
	return found
}

// alive returns those that still run.
func alive(t *testing.T, list []process) []process {
	t.Helper()
	now := processes(t)
	var left []process
	for _, p := range list {
		if again, ok := now[p.pid]; ok && again.command == p.command {
			left = append(left, p)
		}
	}
	return left
}
