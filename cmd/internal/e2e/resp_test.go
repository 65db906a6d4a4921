package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"testing"
	"time"
)

// redisConn speaks RESP 2 with a Redis, for what only tests do to one: empty
// it and look at all it holds. The client library stays in internal/redis.
type redisConn struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialRedis(t testing.TB, rawURL string) *redisConn {
	t.Helper()
	u, err := url.Parse(rawURL)
	must(t, err)
	conn, err := net.DialTimeout("tcp", u.Host, 5*time.Second)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	r := &redisConn{conn: conn, in: bufio.NewReader(conn)}
	if password, ok := u.User.Password(); ok {
		r.do(t, "AUTH", password)
	}
	return r
}

// do runs a command. The answer is nil, a string, an int64 or a list of them.
func (r *redisConn) do(t testing.TB, args ...string) any {
	t.Helper()
	v, err := r.run(args...)
	must(t, err)
	return v
}

func (r *redisConn) run(args ...string) (any, error) {
	if err := r.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	request := fmt.Sprintf("*%d\r\n", len(args))
	for _, a := range args {
		request += fmt.Sprintf("$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(r.conn, request); err != nil {
		return nil, err
	}
	return r.answer()
}

func (r *redisConn) answer() (any, error) {
	line, err := r.in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, text := line[0], line[1:len(line)-2]
	if kind == '+' {
		return text, nil
	}
	if kind == '-' {
		return nil, errors.New("redis: " + text)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || kind == ':' {
		return n, err
	}
	if n < 0 {
		return nil, nil
	}
	if kind == '$' {
		value := make([]byte, n+2)
		_, err := io.ReadFull(r.in, value)
		return string(value[:n]), err
	}
	list := make([]any, n)
	for i := range list {
		if list[i], err = r.answer(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// empty makes the Redis forget everything, as a restart does.
func (r *redisConn) empty() error {
	_, err := r.run("FLUSHALL", "SYNC")
	if err == nil {
		_, err = r.run("SCRIPT", "FLUSH")
	}
	return err
}

// dump returns every key with what it holds, as text and in the form in which
// Redis would write it to disk.
func (r *redisConn) dump(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for cursor := "0"; ; {
		page := r.do(t, "SCAN", cursor, "COUNT", "500").([]any)
		for _, k := range page[1].([]any) {
			key := k.(string)
			value := fmt.Sprint(r.do(t, "DUMP", key))
			switch kind := r.do(t, "TYPE", key); kind {
			case "none":
				continue // its time was over
			case "string":
				value += fmt.Sprint(r.do(t, "GET", key))
			case "hash":
				value += fmt.Sprint(r.do(t, "HGETALL", key))
			default:
				t.Fatalf("redis holds a %v, which this test cannot read", kind)
			}
			all[key] = value
		}
		if cursor = page[0].(string); cursor == "0" {
			return all
		}
	}
}
