package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is a program that can be killed and started again. Its methods are
// for one goroutine at a time.
type server struct {
	name string
	path string
	args []string
	env  []string // beside PATH
	dir  string   // working directory and log
	as   *syscall.Credential

	mu   sync.Mutex
	cmd  *exec.Cmd // nil while it does not run; guarded by mu
	done chan struct{}
}

// start starts the program, which must not run. Its output is added to its log.
func (s *server) start() error {
	if !s.ended() {
		return fmt.Errorf("start %s: it runs", s.name) // nobody could end it any more
	}
	log, err := os.OpenFile(filepath.Join(s.dir, s.name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the child has its own
	cmd := exec.Command(s.path, s.args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TZ=UTC"}, s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	if s.as == nil {
		cmd.Dir = s.dir
	} else {
		cmd.Dir = "/"
	}
	// A group of its own, so that an interrupt at the terminal is ours alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.as}
	dieWithUs(cmd.SysProcAttr)
	started, done := make(chan error), make(chan struct{})
	go func() {
		// The kernel goes by the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the state tells
		}
		close(done)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.mu.Lock()
	s.cmd, s.done = cmd, done
	s.mu.Unlock()
	return nil
}

// running returns the process and what is closed at its end.
func (s *server) running() (*os.Process, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return nil, nil
	}
	return s.cmd.Process, s.done
}

// pid is 0 while it does not run.
func (s *server) pid() int {
	if p, _ := s.running(); p != nil {
		return p.Pid
	}
	return 0
}

func (s *server) signal(sig syscall.Signal) {
	if p, _ := s.running(); p != nil {
		_ = p.Signal(sig) // one that has ended needs none
	}
}

// end sends a signal and waits for the end, with a kill after patience.
func (s *server) end(sig syscall.Signal, patience time.Duration) error {
	p, done := s.running()
	if p == nil {
		return nil
	}
	_ = p.Signal(sig)
	select {
	case <-done:
	case <-time.After(patience):
		_ = p.Kill()
		<-done
		return fmt.Errorf("%s did not end within %v of signal %v", s.name, patience, sig)
	}
	return nil
}

// kill ends it without warning, frozen or not.
func (s *server) kill() { _ = s.end(syscall.SIGKILL, time.Minute) }

// ended reports whether it has ended by itself or by us.
func (s *server) ended() bool {
	_, done := s.running()
	if done == nil {
		return true
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// exit is the exit code; -1 for a signal.
func (s *server) exit() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.ProcessState.ExitCode()
}

// run runs a program to its end and returns what it printed.
func (s *server) run() (string, error) {
	cmd := exec.Command(s.path, s.args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TZ=UTC"}, s.env...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", s.name, err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// children lists the processes that a process has started.
func children(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	var list []int
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		// The name in parentheses may hold anything.
		rest := string(text)
		rest = rest[strings.LastIndexByte(rest, ')')+1:]
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			continue
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil && parent == pid {
			if child, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
				list = append(list, child)
			}
		}
	}
	return list
}

// await polls until done says so: processes send no signals to wait for.
func await(what string, patience time.Duration, done func() bool) error {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if done() {
			return nil
		}
		if time.Now().After(end) {
			return errors.New(what + " did not come in time")
		}
	}
}
