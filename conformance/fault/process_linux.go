package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dieWithUs has the kernel kill a process when the thread that started it
// ends: a run that dies leaves nothing behind.
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// tick is the unit of processor times in /proc (proc(5), USER_HZ).
const tick = 10 * time.Millisecond

// processorTime returns the time that all processors together have been busy,
// what a hypervisor took of them included, and how much of that was ours and
// our children's. ok is false where it cannot be told.
func processorTime() (busy, ours time.Duration, ok bool) {
	text, err := os.ReadFile("/proc/stat")
	line, _, found := bytes.Cut(text, []byte("\n"))
	// cpu user nice system idle iowait irq softirq steal
	fields := strings.Fields(string(line))
	if err != nil || !found || len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0, false
	}
	for i, f := range fields[1:9] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, 0, false
		}
		if i != 3 && i != 4 {
			busy += time.Duration(n) * tick
		}
	}
	parent, took := map[int]int{}, map[int]time.Duration{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, file := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		// After the name in parentheses: state, parent, and from the twelfth on
		// the times in and outside the kernel, its own and of children that it
		// has waited for.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 15 {
			continue
		}
		if parent[pid], err = strconv.Atoi(fields[1]); err != nil {
			continue
		}
		for _, f := range fields[11:15] {
			n, _ := strconv.ParseInt(f, 10, 64)
			took[pid] += time.Duration(n) * tick
		}
	}
	for pid := range took {
		for at := pid; at > 1; at = parent[at] {
			if at == os.Getpid() {
				ours += took[pid]
				break
			}
		}
	}
	return busy, ours, true
}

// largest returns how much memory a process has had at its largest, in bytes.
// ok is false where it cannot be told.
func largest(pid int) (bytes int64, ok bool) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	_, rest, found := strings.Cut(string(text), "\nVmHWM:")
	if err != nil || !found {
		return 0, false
	}
	fields := strings.Fields(rest)
	n, err := strconv.ParseInt(fields[0], 10, 64)
	return n << 10, err == nil && fields[1] == "kB"
}
