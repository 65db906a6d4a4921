package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// listeners are the addresses of all listeners of a watched deployment, by
// their names.
func (d *deployment) listeners(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{
		"authzd, clients": d.protocol[0], "authzd, people": d.browsers[0], "authzd, certificates": d.certified[0], "gatewayd": d.data[0],
	}
	for i, name := range []string{"authzd, metrics", "gatewayd, metrics"} {
		u, err := url.Parse(d.metrics[i])
		must(t, err)
		all[name] = u.Host
	}
	return all
}

// open connects to a listener as HTTP/1.1; that of metrics is plain.
func (d *deployment) open(t *testing.T, name, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	must(t, err)
	if !strings.HasSuffix(name, "metrics") {
		config := d.roots.Clone()
		config.ServerName, config.NextProtos = "localhost", []string{"http/1.1"}
		conn = tls.Client(conn, config)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// said is what a listener answers to a text until it hangs up, and how long
// that took; it fails the test when that is too long.
func said(t *testing.T, conn net.Conn, text string, most time.Duration) (string, time.Duration) {
	t.Helper()
	start := time.Now()
	must(t, conn.SetDeadline(start.Add(most)))
	if _, err := io.WriteString(conn, text); err != nil {
		return "", time.Since(start) // it hung up under way, which is an answer too
	}
	answer, err := io.ReadAll(conn)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Errorf("not cut off after %s", most)
	}
	return string(answer), time.Since(start)
}

// Every listener of both processes has the time-outs and limits; each is tried.
func TestLimitsOfEveryListener(t *testing.T) {
	t.Parallel()
	d := deployWatched(t, "127.0.0.1:0", "")
	all := d.listeners(t)
	if len(all) != 6 {
		t.Fatalf("%v", all)
	}
	const slack = 20 * time.Second // for a busy machine, on top of the limit
	for name, address := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("large header", func(t *testing.T) {
				t.Parallel()
				for size, refused := range map[int]bool{8 << 10: false, 21 << 10: true} { // net/http adds 4 KiB to the 16
					text := "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Large: " + strings.Repeat("a", size) + "\r\n\r\n"
					got, _ := said(t, d.open(t, name, address), text, slack)
					if strings.HasPrefix(got, "HTTP/1.1 431") != refused && (got != "" || !refused) {
						t.Errorf("%d bytes: %.80q", size, got)
					}
				}
			})
			t.Run("slow header", func(t *testing.T) {
				t.Parallel()
				got, took := said(t, d.open(t, name, address), "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", 5*time.Second+slack)
				if strings.Contains(got, " 200 ") || took < 4*time.Second {
					t.Errorf("after %s: %.80q", took, got)
				}
			})
			t.Run("slow body", func(t *testing.T) {
				t.Parallel()
				form := "POST /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na="
				got, _ := said(t, d.open(t, name, address), form, 10*time.Second+slack)
				if strings.Contains(got, "HTTP/1.1 2") {
					t.Errorf("%.80q", got)
				}
			})
			t.Run("no request", func(t *testing.T) {
				t.Parallel()
				// The first request has the time of its header; a connection
				// that served one may idle for longer.
				if got, _ := said(t, d.open(t, name, address), "\r\n", 5*time.Second+slack); strings.Contains(got, " 200 ") {
					t.Errorf("%.80q", got)
				}
			})
		})
	}
	t.Run("bodies", func(t *testing.T) {
		t.Parallel()
		large := strings.Repeat("a", 300<<10)
		for _, row := range []struct {
			name, address, method, path, kind, more, body string
			refused                                       []int
		}{
			{"a form that is too large", d.protocol[0], "POST", "/token", "application/x-www-form-urlencoded", "", "a=" + large[:64<<10], []int{400}},
			{"a compressed form", d.protocol[0], "POST", "/par", "application/x-www-form-urlencoded", "Content-Encoding: gzip\r\n", "a=b", []int{400}},
			{"a form that is too large, with a certificate", d.certified[0], "POST", "/revoke", "application/x-www-form-urlencoded", "", "a=" + large[:64<<10], []int{400}},
			{"a page's form that is too large", d.browsers[0], "POST", "/portal/login", "application/x-www-form-urlencoded", "Origin: https://" + d.browsers[0] + "\r\n", "a=" + large[:64<<10], []int{400, 403, 413, 422}},
			{"a compressed page's form", d.browsers[0], "POST", "/portal/login", "application/x-www-form-urlencoded", "Content-Encoding: gzip\r\nOrigin: https://" + d.browsers[0] + "\r\n", "a=b", []int{400, 403, 415, 422}},
			{"a body at data", d.data[0], "GET", "/fdx/v6/accounts", "application/json", "", "{}", []int{400}},
			{"an end of a consent that is too large", d.data[0], "PUT", "/fdx/v6/consents/x/revocation", "application/json", "", large, []int{400, 401}},
		} {
			text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s",
				row.method, row.path, row.address, row.kind, len(row.body), row.more, row.body)
			got, _ := said(t, d.open(t, "", row.address), text, slack)
			ok := got == "" // hung up
			for _, status := range row.refused {
				ok = ok || strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", status))
			}
			if !ok {
				t.Errorf("%s: %.80q, want one of %v %s", row.name, got, row.refused, http.StatusText(row.refused[0]))
			}
		}
	})
}
