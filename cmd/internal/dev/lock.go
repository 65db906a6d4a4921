package dev

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ErrInUse: another stack runs with this state folder.
var ErrInUse = errors.New("the state folder is in use")

// lockHome takes the state folder for this process until the file is closed,
// also by a crash.
func lockHome(home string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(home, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 20))
		_ = f.Close()
		return nil, fmt.Errorf("%w: %s, by process %s: stop it or name another folder with --home", ErrInUse, home, strings.TrimSpace(string(holder)))
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// removeState removes what a stack has made in its folder, and the folder if
// nothing else is in it.
func removeState(home string) error {
	var faults []error
	for _, name := range []string{"ca", "keys", "log", "recipients", "postgres", CheckpointsDir, "lock", "software-statement.jwt", FileName} {
		faults = append(faults, os.RemoveAll(filepath.Join(home, name)))
	}
	if err := os.Remove(home); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EEXIST) {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}
