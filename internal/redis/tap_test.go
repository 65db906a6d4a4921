package redis_test

import (
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
)

// tapped is a Redis behind a proxy that counts round trips: how often the
// client speaks after having listened.
type tapped struct {
	url   string
	trips atomic.Int64
}

func tap(t *testing.T, address string) *tapped {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	u.Host = l.Addr().String()
	p := &tapped{url: u.String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", server)
			if err != nil {
				c.Close()
				return
			}
			go p.carry(c, s)
		}
	}()
	return p
}

func (p *tapped) carry(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	var speaking atomic.Bool
	go func() {
		defer client.Close()
		_, _ = io.Copy(pass{client, func() { speaking.Store(false) }}, server)
	}()
	_, _ = io.Copy(pass{server, func() {
		if !speaking.Swap(true) {
			p.trips.Add(1)
		}
	}}, client)
}

// pass tells of each write before it is done.
type pass struct {
	io.Writer
	seen func()
}

func (p pass) Write(b []byte) (int, error) {
	p.seen()
	return p.Writer.Write(b)
}
