package csv

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// Bounds on what one file may hold.
const (
	maxRecord  = 64 << 10 // bytes of one row
	maxColumns = 1000
)

// A rowError says what is wrong with a row before its columns are known.
type rowError struct {
	line int
	what string
}

func (e *rowError) Error() string { return e.what }

// rowReader splits a file into rows of fields (RFC 4180, with any delimiter
// and quote). Unlike encoding/csv it bounds the size of a row, and it tells
// the end of the last row from the end of a file that was cut off.
type rowReader struct {
	r         *bufio.Reader
	delimiter byte
	quote     byte
	line      int // of the row that next returned, 1-based
	nextLine  int
}

func newRowReader(r io.Reader, f format) *rowReader {
	rr := &rowReader{r: bufio.NewReaderSize(r, maxRecord), delimiter: f.delimiter, quote: f.quote, nextLine: 1}
	if mark, err := rr.r.Peek(3); err == nil && string(mark) == "\xEF\xBB\xBF" {
		_, _ = rr.r.Discard(3) // it was just peeked
	}
	return rr
}

// next returns the fields of the next row that is not empty, and whether its
// line ended; a last line that does not end may be cut off, so its error, if
// there is one, comes along with ended = false. At the end it returns io.EOF.
// After a rowError nothing that follows can be trusted.
func (rr *rowReader) next() (fields []string, ended bool, err error) {
	for {
		record, ended, err := rr.record()
		switch {
		case err != nil:
			return nil, true, err
		case record == "" && !ended:
			return nil, true, io.EOF
		case record == "":
			continue
		case !utf8.ValidString(record) || strings.IndexByte(record, 0) >= 0:
			return nil, ended, &rowError{rr.line, "is not UTF-8 text"}
		}
		fields, what := rr.split(record)
		if what != "" {
			return nil, ended, &rowError{rr.line, what}
		}
		return fields, ended, nil
	}
}

// record returns one row without its line end: one line, or several when a
// quoted field holds line ends.
func (rr *rowReader) record() (record string, ended bool, err error) {
	rr.line = rr.nextLine
	var b strings.Builder
	quotes := 0
	for {
		chunk, err := rr.r.ReadSlice('\n')
		b.Write(chunk)
		if b.Len() > maxRecord || errors.Is(err, bufio.ErrBufferFull) {
			return "", true, &rowError{rr.line, "has more than 64 KiB in one row; is a quote left open?"}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", true, err
		}
		ended = err == nil
		if ended {
			rr.nextLine++
		}
		if rr.quote != 0 {
			quotes += bytes.Count(chunk, []byte{rr.quote})
		}
		if ended && quotes%2 == 1 {
			continue // inside a quoted field
		}
		if quotes%2 == 1 && rr.nextLine > rr.line {
			// Not a cut-off last line, but a quote that swallowed all the rest.
			return "", true, &rowError{rr.line, "has a quoted value that is not closed"}
		}
		return strings.TrimSuffix(strings.TrimSuffix(b.String(), "\n"), "\r"), ended, nil
	}
}

// split returns the fields of a row, or what is wrong with it.
func (rr *rowReader) split(record string) (fields []string, what string) {
	for {
		if len(fields) == maxColumns {
			return nil, "has more than 1000 columns"
		}
		if rr.quote != 0 && record != "" && record[0] == rr.quote {
			field, rest, ok := unquote(record[1:], rr.quote)
			if !ok {
				return nil, "has a quoted value that is not closed"
			}
			fields = append(fields, field)
			switch {
			case rest == "":
				return fields, ""
			case rest[0] != rr.delimiter:
				return nil, "has text after the closing quote of a value"
			}
			record = rest[1:]
			continue
		}
		field, rest, more := strings.Cut(record, string(rr.delimiter))
		fields = append(fields, field)
		if !more {
			return fields, ""
		}
		record = rest
	}
}

// unquote returns the text up to the closing quote, with doubled quotes made
// one, and what follows.
func unquote(s string, quote byte) (field, rest string, ok bool) {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, quote)
		if i < 0 {
			return "", "", false
		}
		b.WriteString(s[:i])
		s = s[i+1:]
		if s == "" || s[0] != quote {
			return b.String(), s, true
		}
		b.WriteByte(quote)
		s = s[1:]
	}
}
