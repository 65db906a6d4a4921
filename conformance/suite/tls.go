package suite

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
)

// Handshake opens a TLS connection to host:port as config says, with the
// target's roots, and closes it. The error says that there was none.
func (t *T) Handshake(host string, config *tls.Config) (tls.ConnectionState, error) {
	if !strings.Contains(host, ":") {
		host += ":443"
	}
	if err := t.world.wire.admit(t.ctx); err != nil {
		t.Cannot("begin a handshake", err)
	}
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	plain, err := t.world.wire.dial(ctx, "tcp", host)
	if err != nil {
		t.Cannot("reach "+host, err) // a host that is not there refuses everything
	}
	config = config.Clone()
	if config.RootCAs == nil {
		config.RootCAs = t.Target.roots
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(host)
	}
	conn := tls.Client(plain, config)
	defer conn.Close()
	err = conn.HandshakeContext(ctx)
	t.record.handshake(host, config, conn.ConnectionState(), err)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	return conn.ConnectionState(), nil
}
