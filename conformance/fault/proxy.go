package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// trouble is what a proxy does to what passes it. The zero value does nothing.
type trouble struct {
	// Packets are lost for these two where they can be, and held here elsewhere.
	hold bool // nothing passes and nothing is refused: a black hole
	mute bool // what is asked arrives, and the answers do not: half of a black hole

	refuse bool          // connections are reset, new ones too
	delay  time.Duration // before each piece, in the direction to the server
	// cut resets a connection after that many bytes of an answer; 0 does not.
	cut int
}

// proxy is one edge between two processes. The zero trouble passes all on.
type proxy struct {
	name   string
	socket net.Listener
	lost   *packets // nil: they cannot be lost

	mu      sync.Mutex
	target  string // guarded by mu, like what follows
	now     trouble
	changed chan struct{}         // closed by the next change
	conns   map[*net.TCPConn]bool // both sides of each connection
	closed  bool
}

// newProxy listens on a free port of this machine and passes on to target.
func newProxy(name, target string, lost *packets) (*proxy, error) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{name: name, target: target, socket: socket, lost: lost, changed: make(chan struct{}), conns: map[*net.TCPConn]bool{}}
	go p.accept()
	return p, nil
}

// address is where it listens.
func (p *proxy) address() string { return p.socket.Addr().String() }

// set changes what the proxy does, to connections that are open as well.
func (p *proxy) set(t trouble) error {
	if p.lost != nil {
		if err := p.lost.lose(p.socket.Addr().(*net.TCPAddr).Port, t.hold, t.hold || t.mute); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		t.hold, t.mute = false, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = t
	close(p.changed)
	p.changed = make(chan struct{})
	if t.refuse {
		for c := range p.conns {
			reset(c)
		}
	}
	return nil
}

// lead has the edge end at another server from now on. What is under way ends.
func (p *proxy) lead(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	for c := range p.conns {
		reset(c)
	}
}

// end is where the edge ends.
func (p *proxy) end() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target
}

func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		reset(c)
	}
	p.mu.Unlock()
	_ = p.socket.Close()
}

// state returns what to do now and what is closed when that changes.
func (p *proxy) state() (trouble, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now, p.changed
}

func (p *proxy) accept() {
	for {
		c, err := p.socket.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go p.carry(c.(*net.TCPConn))
		}
	}
}

// carry serves one connection to its end.
func (p *proxy) carry(client *net.TCPConn) {
	if t, _ := p.state(); t.refuse {
		reset(client)
		return
	}
	if !p.keep(client) {
		return
	}
	defer p.drop(client)
	if !p.pass(true) {
		return
	}
	dialed, err := net.DialTimeout("tcp", p.end(), 5*time.Second)
	if err != nil {
		reset(client)
		return
	}
	server := dialed.(*net.TCPConn)
	if !p.keep(server) {
		return
	}
	defer p.drop(server)
	ended := make(chan struct{}, 2)
	go func() { p.copy(server, client, true); ended <- struct{}{} }()
	go func() { p.copy(client, server, false); ended <- struct{}{} }()
	<-ended
	// One direction is over: so is the conversation, for both protocols here.
	_, _ = client.Close(), server.Close()
	<-ended
}

// pass waits until something may pass in a direction and reports whether it may
// at all.
func (p *proxy) pass(up bool) bool {
	for {
		t, changed := p.state()
		switch {
		case t.refuse:
			return false
		case !t.hold && (up || !t.mute):
			return true
		}
		<-changed
	}
}

// copy moves bytes until either side ends. up is the direction to the server.
func (p *proxy) copy(to, from *net.TCPConn, up bool) {
	buf := make([]byte, 32<<10)
	passed := 0
	for {
		n, err := from.Read(buf)
		if n > 0 {
			t, _ := p.state()
			if up && t.delay > 0 {
				time.Sleep(t.delay)
			}
			if !p.pass(up) {
				reset(to)
				reset(from)
				return
			}
			if !up && t.cut > 0 && passed+n >= t.cut {
				_, _ = to.Write(buf[:max(t.cut-passed, 0)])
				reset(to)
				reset(from)
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
			if t.cut > 0 {
				passed += n
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				_ = to.CloseWrite()
			}
			return
		}
	}
}

func (p *proxy) keep(c *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		reset(c)
		return false
	}
	p.conns[c] = true
	return true
}

func (p *proxy) drop(c *net.TCPConn) {
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
	_ = c.Close()
}

// reset ends a connection so that the peer sees an error and not an end.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
