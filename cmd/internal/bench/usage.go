package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// usage is what the server's processes have used since they began.
type usage struct {
	gateway         time.Duration // CPU, user and system, of this process
	postgres, redis *time.Duration
	bytes, mallocs  uint64 // allocated on the heap of this process
}

// meter reads usage.
type meter struct {
	postgres int // process id of the server
	redis    int // process id; 0 when it is part of this process
}

// read returns what has been used so far. The servers' parts are nil where
// the system does not tell: anywhere but on Linux, and for a Redis inside this
// process.
func (m meter) read() (usage, error) {
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		return usage{}, fmt.Errorf("getrusage: %w", err)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	u := usage{
		gateway: time.Duration(self.Utime.Nano() + self.Stime.Nano()),
		bytes:   memory.TotalAlloc, mallocs: memory.Mallocs,
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return u, nil
	}
	postgres, err := withChildren(m.postgres)
	if err != nil {
		return usage{}, err
	}
	u.postgres = &postgres
	if m.redis != 0 {
		p, err := readStat(m.redis)
		if err != nil {
			return usage{}, err
		}
		u.redis = &p.cpu
	}
	return u, nil
}

// withChildren returns the CPU time of a process, of its children, and of
// those that have ended: sessions come and go while a server lives.
func withChildren(pid int) (time.Duration, error) {
	server, err := readStat(pid)
	if err != nil {
		return 0, err
	}
	total := server.cpu + server.ended
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, dir := range all {
		n, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		// A process that ends meanwhile is counted by its parent.
		if p, err := readStat(n); err == nil && p.parent == pid {
			total += p.cpu
		}
	}
	return total, nil
}

// stat is the part of /proc/PID/stat that we need (proc(5)).
type stat struct {
	parent     int
	cpu, ended time.Duration // of the process; of children that it waited for
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(text)
}

// tick is the unit of /proc/PID/stat: USER_HZ is 100 wherever Go runs.
const tick = 10 * time.Millisecond

var errStat = errors.New("/proc/PID/stat is not as expected")

func parseStat(text []byte) (stat, error) {
	// The second field is the name in parentheses, and may hold anything.
	end := bytes.LastIndexByte(text, ')')
	fields := bytes.Fields(text[end+1:]) // from the third field on
	if end < 0 || len(fields) < 15 {
		return stat{}, errStat
	}
	number := func(field int) uint64 { // as proc(5) counts them
		n, err := strconv.ParseUint(string(fields[field-3]), 10, 63)
		if err != nil {
			end = -1
		}
		return n
	}
	s := stat{
		parent: int(number(4)),
		cpu:    time.Duration(number(14)+number(15)) * tick,
		ended:  time.Duration(number(16)+number(17)) * tick,
	}
	if end < 0 {
		return stat{}, errStat
	}
	return s, nil
}
