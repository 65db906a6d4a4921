package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// The load generator speaks HTTP/1.1 itself: on a small machine it shares the
// cores with what it measures, and a general client would take several times
// as much of them.

// request is what all requests of a line have in common.
type request struct {
	path        string // with query
	interaction string
	scheme      string // empty sends no credentials
	form        string // as in job
}

// append writes a request with these credentials.
func (r *request) append(b []byte, token string, proof []byte) []byte {
	method := "GET "
	if r.form != "" {
		method = "POST "
	}
	b = append(b, method...)
	b = append(b, r.path...)
	b = append(b, " HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nx-fapi-interaction-id: "...)
	b = append(b, r.interaction...)
	if r.form != "" {
		b = append(b, "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.form)+len(token)), 10)
		b = append(append(b, "\r\n\r\n"...), r.form...)
		return append(b, token...)
	}
	if r.scheme != "" {
		b = append(b, "\r\nAuthorization: "...)
		b = append(b, r.scheme...)
		b = append(b, ' ')
		b = append(b, token...)
	}
	if proof != nil {
		b = append(b, "\r\nDPoP: "...)
		b = append(b, proof...)
	}
	return append(b, "\r\n\r\n"...)
}

// shown is how much of an unexpected body an error repeats, in bytes.
const shown = 300

var errLength = errors.New("an answer without one Content-Length")

// refusal is an answer other than 200. The connection can be used on.
type refusal struct {
	status string // as in the status line, "503 Service Unavailable"
	body   []byte // its beginning
}

func (r *refusal) Error() string { return fmt.Sprintf("answered %s: %s", r.status, r.body) }

// readResponse reads one answer and returns the length of its body, which
// it hands to body piece by piece if that is not nil. An answer other than
// 200 is a *refusal.
func readResponse(r *bufio.Reader, body io.Writer) (int, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, fmt.Errorf("read status: %w", err)
	}
	ok := bytes.HasPrefix(line, []byte("HTTP/1.1 200 "))
	status := string(bytes.TrimSpace(bytes.TrimPrefix(line[:min(len(line), 64)], []byte("HTTP/1.1 "))))
	length := -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, fmt.Errorf("read header: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if !bytes.EqualFold(name, []byte("Content-Length")) {
			continue
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
		if err != nil || length >= 0 {
			return 0, errLength
		}
		length = int(n)
	}
	if length < 0 {
		return 0, errLength
	}
	if !ok {
		text := make([]byte, min(length, shown))
		_, err := io.ReadFull(r, text)
		if err == nil {
			_, err = r.Discard(length - len(text))
		}
		if err != nil {
			return 0, fmt.Errorf("read body of an answer %s: %w", status, err)
		}
		return 0, &refusal{status, text}
	}
	if body != nil {
		_, err = io.CopyN(body, r, int64(length))
	} else {
		_, err = r.Discard(length)
	}
	if err != nil {
		return 0, fmt.Errorf("read body: %w", err)
	}
	return length, nil
}
