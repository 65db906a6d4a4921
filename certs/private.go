package certs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrExposed is returned for a private file whose mode is wider than 0600.
var ErrExposed = errors.New("file is open to others")

// maxPrivate bounds a private file that is read, in bytes.
const maxPrivate = 64 << 10

// ReadPrivate reads a file that holds a secret, at most 64 KiB. A file
// that gives group or others any permission, or its owner more than reading and
// writing, is ErrExposed; the message names the command that mends it.
func ReadPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// The open file is asked, not the path, so that what was checked is what
	// is read.
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&^0o600 != 0 {
		return nil, fmt.Errorf("%s: %w: its mode is %04o; run: chmod 600 %s", path, ErrExposed, mode, path)
	}
	return readAll(f, maxPrivate)
}

// WritePrivate writes a secret to path with mode 0600, in one step: a reader,
// or a crash, sees either the old content or the new, never a part.
func WritePrivate(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when the rename has worked
	if err := writeAndClose(f, data); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// createPrivate writes a secret to a path that must not exist yet; otherwise
// it returns fs.ErrExist.
func createPrivate(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := writeAndClose(f, data); err != nil {
		os.Remove(path)
		return err
	}
	return nil
}

// writeAndClose makes data durable before it returns nil.
func writeAndClose(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// readAll reads at most limit bytes and fails when there are more.
func readAll(f io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("larger than %d bytes", limit)
	}
	return data, nil
}
