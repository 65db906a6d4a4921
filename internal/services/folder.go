package services

import (
	"crypto/sha256"
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

// ErrFolderInUse says that a live process holds the state folder. The error
// that wraps it names the folder and the process.
var ErrFolderInUse = errors.New("the folder is in use by another instance")

const lockName = "lock"

// folder is a locked private folder: ours alone, and passable for the account
// that the server runs as (its group may enter it, and neither list nor write).
type folder struct {
	path string
	lock *os.File
}

// openFolder creates path if need be, makes it private and locks it.
//
// A folder that is neither empty nor one of ours is refused: its mode and
// group are about to be changed, and parts of it deleted.
func openFolder(path string, as *account) (*folder, error) {
	for {
		if err := makePrivate(path, as); err != nil {
			return nil, err
		}
		lock, err := lockFile(filepath.Join(path, lockName))
		if errors.Is(err, errLockMoved) {
			continue // the holder was just removing the folder
		}
		if err != nil {
			return nil, fmt.Errorf("state folder %s: %w", path, err)
		}
		return &folder{path: path, lock: lock}, nil
	}
}

func makePrivate(path string, as *account) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	// Lstat, not Stat: below a shared folder like /var/tmp somebody may have
	// put a link or a folder of theirs under the name that we use.
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("state folder %s: not a folder of ours: remove it or choose another", path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Lstat(filepath.Join(path, lockName)); err != nil {
			return fmt.Errorf("state folder %s: not empty, and not made by us: choose another", path)
		}
	}
	if as == nil {
		return os.Chmod(path, 0o700)
	}
	if err := os.Chown(path, os.Geteuid(), int(as.gid)); err != nil {
		return err
	}
	return os.Chmod(path, 0o710)
}

var errLockMoved = errors.New("the lock file was removed while it was being locked")

// lockFile takes an exclusive lock that the kernel drops when we die, and
// writes our pid into the file for the message that the next one prints.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errLockMoved
	}
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock: %w", err)
		}
		holder := "another process"
		if text, err := io.ReadAll(io.LimitReader(f, 20)); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				holder = fmt.Sprintf("process %d", pid)
			}
		}
		return nil, fmt.Errorf("%w: %s holds it", ErrFolderInUse, holder)
	}
	ours, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	if named, err := os.Lstat(path); err != nil || !os.SameFile(ours, named) {
		f.Close()
		return nil, errLockMoved
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// close drops the lock and leaves the folder for the next start.
func (f *folder) close() { f.lock.Close() }

// remove deletes what we put there and drops the lock. The folder itself goes
// only when that left it empty.
func (f *folder) remove() error {
	err := f.clear()
	if err == nil {
		// The lock goes last and while we hold it: lockFile notices.
		err = os.RemoveAll(f.file(lockName))
	}
	_ = os.Remove(f.path)
	f.lock.Close()
	return err
}

// clear deletes everything but the lock. The mark that allows it goes last, so
// that clearing can be interrupted and repeated.
func (f *folder) clear() error {
	for _, name := range []string{dataName, newDataName, socketName, passwordName, initPasswordName, logName, throwAwayName} {
		if err := os.RemoveAll(f.file(name)); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

// passable reports whether the account can reach path through all of its
// parents. A parent that does not exist yet counts as closed: we would create
// it 0700.
func passable(path string, as *account) bool {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || !as.mayEnter(info) {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// shortFolder returns a short path that stands for key, below a folder that
// every user can enter. It does not create it.
func shortFolder(key string, as *account) (string, error) {
	sum := sha256.Sum256([]byte(strconv.Itoa(os.Geteuid()) + "\x00" + key))
	name := fmt.Sprintf("headgate-%x", sum[:6])
	for _, root := range []string{"/var/tmp", os.TempDir(), "/tmp"} {
		path := filepath.Join(root, name)
		if info, err := os.Stat(root); err != nil || !info.IsDir() || len(path) > maxSocketFolder {
			continue
		}
		if as == nil || passable(path, as) {
			return path, nil
		}
	}
	return "", errors.New("no short folder for the PostgreSQL socket: neither /var/tmp nor the temporary folder can be used")
}
