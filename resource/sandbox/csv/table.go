package csv

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// Bounds on one import. A joined file is kept in memory, all others are
// streamed.
const (
	maxRows     = 2_000_000 // per file
	maxJoined   = 1_000_000 // rows of a joined file
	maxUnpacked = 4 << 30   // bytes of a file, unpacked
)

// table is an open file with named columns.
type table struct {
	name    string // for faults: the path
	rows    *rowReader
	columns map[string]int
	width   int
	cut     bool // drop a last line that does not end
	read    *countingReader
	size    int64 // bytes of the file as it lies there
	count   int
	close   func() error
}

// countingReader counts what was read of a file, for progress.
type countingReader struct {
	io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// openTable opens a file of the mapping, unpacking it if it is gzipped.
func openTable(files fs.FS, f file, how format) (*table, error) {
	fail := func(what string) error { return ledger.Faults{{File: f.path, What: what}} }
	h, err := files.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fail("is not in the folder of the import")
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", f.path, err)
	}
	t := &table{name: f.path, cut: f.lastLineCut, close: h.Close}
	if info, err := h.Stat(); err == nil {
		t.size = info.Size()
		if info.IsDir() {
			h.Close()
			return nil, fail("is a folder, not a file")
		}
	}
	t.read = &countingReader{Reader: h}
	buffered := bufio.NewReader(t.read)
	var content io.Reader = buffered
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			h.Close()
			return nil, fail("is not a whole gzip file")
		}
		content = unpacked
	}
	t.rows = newRowReader(io.LimitReader(content, maxUnpacked), how)

	names := f.columns
	line := 0
	if names == nil {
		if names, _, err = t.rows.next(); err != nil {
			h.Close()
			if errors.Is(err, io.EOF) {
				return nil, fail("is empty")
			}
			return nil, t.wrap(err)
		}
		line = t.rows.line
	}
	t.width = len(names)
	t.columns = make(map[string]int, len(names))
	for i, name := range names {
		if _, twice := t.columns[name]; twice {
			h.Close()
			return nil, ledger.Faults{{File: f.path, Line: line, At: name, What: "is the name of two columns"}}
		}
		t.columns[name] = i
	}
	return t, nil
}

// wrap gives an error of the row reader its place.
func (t *table) wrap(err error) error {
	var row *rowError
	switch {
	case errors.As(err, &row):
		return ledger.Faults{{File: t.name, Line: row.line, What: row.what}}
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF):
		return ledger.Faults{{File: t.name, What: "is not a whole gzip file"}}
	}
	return fmt.Errorf("read %s: %w", t.name, err)
}

// next returns the next row and its line, or io.EOF. Every row has as many
// fields as there are columns.
func (t *table) next() (row []string, line int, err error) {
	row, ended, err := t.rows.next()
	line = t.rows.line
	switch {
	case errors.Is(err, io.EOF):
		return nil, 0, io.EOF
	case !ended && t.cut:
		return nil, 0, io.EOF
	case err != nil:
		return nil, 0, t.wrap(err)
	case len(row) != t.width:
		what := fmt.Sprintf("has %d columns instead of %d", len(row), t.width)
		if !ended {
			what += " and does not end; if the file was cut off, lastLineCut in the mapping drops its last line"
		}
		return nil, 0, ledger.Faults{{File: t.name, Line: line, What: what}}
	}
	if t.count++; t.count > maxRows {
		return nil, 0, ledger.Faults{{File: t.name, Line: line, What: fmt.Sprintf("has more than %d rows", maxRows)}}
	}
	return row, line, nil
}

// index is a file in memory, by the value of one column.
type index struct {
	columns map[string]int
	rows    map[string][]string
}

// readIndex reads a whole file. A key that appears twice is a fault: the join
// would pick one of two rows.
func readIndex(t *table, key string) (index, error) {
	at, ok := t.columns[key]
	if !ok {
		return index{}, ledger.Faults{{File: t.name, At: key, What: "is not a column of the file, though a join in the mapping says so"}}
	}
	out := index{columns: t.columns, rows: map[string][]string{}}
	for {
		row, line, err := t.next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return index{}, err
		}
		if _, twice := out.rows[row[at]]; twice {
			return index{}, ledger.Faults{{File: t.name, Line: line, At: key, What: "has a value that an earlier row has; a join needs it to be unique"}}
		}
		if len(out.rows) == maxJoined {
			return index{}, ledger.Faults{{File: t.name, Line: line, What: fmt.Sprintf("has more than %d rows, too many to join", maxJoined)}}
		}
		out.rows[row[at]] = row
	}
}
