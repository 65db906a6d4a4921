package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Outside is a place for checkpoints that the administrator of the database
// cannot write to. Implementations need not be safe for concurrent use.
type Outside interface {
	// Put stores a checkpoint of a tree of that size. What is there is never
	// replaced; to put the same one again is fine.
	Put(ctx context.Context, size int64, note []byte) error
	// Newest returns the checkpoint of the largest tree; nil when there is
	// none.
	Newest(ctx context.Context) ([]byte, error)
	// String names the place in logs.
	String() string
}

// Dir is a folder with a file per checkpoint. Files are made, never changed:
// the folder may be on a medium that allows no more than that.
type Dir string

// String is the path of the folder.
func (d Dir) String() string { return string(d) }

// shard is how many sizes share a subfolder.
const shard = 1 << 20

const noteSuffix = ".note"

// name is the path of a checkpoint below the folder. Names sort by size.
func name(size int64) string {
	return filepath.Join(fmt.Sprintf("%013d", size/shard), fmt.Sprintf("%019d", size)+noteSuffix)
}

// sizeOf is the size that a path made by name says; -1 for any other.
func sizeOf(path string) int64 {
	size, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(path), noteSuffix), 10, 64)
	if err != nil || !strings.HasSuffix(path, name(size)) {
		return -1
	}
	return size
}

// Put implements Outside.
func (d Dir) Put(_ context.Context, size int64, note []byte) error {
	path := filepath.Join(string(d), name(size))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	// A file of another name first, so that nobody finds half a checkpoint. A
	// link, unlike a rename, does not replace what is there.
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it has no name that counts
	_, err = f.Write(note)
	if err == nil {
		err = f.Chmod(0o444)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	err = os.Link(f.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		if there, readErr := readNote(path); readErr != nil || string(there) != string(note) {
			return fmt.Errorf("%s: %w with another content", path, fs.ErrExist)
		}
		return nil
	}
	return err
}

// Newest implements Outside.
func (d Dir) Newest(context.Context) ([]byte, error) {
	shards, err := names(string(d), "")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, s := range slices.Backward(shards) {
		notes, err := names(filepath.Join(string(d), s), noteSuffix)
		if err != nil {
			return nil, err
		}
		if len(notes) > 0 {
			return readNote(filepath.Join(string(d), s, notes[len(notes)-1]))
		}
	}
	return nil, nil
}

// All calls f with every checkpoint of the folder, by size, until f returns an
// error, which All returns.
func (d Dir) All(f func(path string, note []byte) error) error {
	shards, err := names(string(d), "")
	if err != nil {
		return err
	}
	for _, s := range shards {
		notes, err := names(filepath.Join(string(d), s), noteSuffix)
		if err != nil {
			return err
		}
		for _, n := range notes {
			path := filepath.Join(string(d), s, n)
			note, err := readNote(path)
			if err != nil {
				return err
			}
			if err := f(path, note); err != nil {
				return err
			}
		}
	}
	return nil
}

// names returns the entries of a folder with a suffix, sorted; without one
// those that are folders.
func names(dir, suffix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if n := e.Name(); !strings.HasPrefix(n, ".") && e.IsDir() == (suffix == "") && strings.HasSuffix(n, suffix) {
			all = append(all, n)
		}
	}
	return all, nil
}

// readNote reads at most a byte more than a checkpoint may have.
func readNote(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	return io.ReadAll(io.LimitReader(f, MaxNote+1))
}
