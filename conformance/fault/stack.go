package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/headgate/headgate/conformance/recipient"
)

// The processes of a stack, as they are named in the history.
const (
	gatewayA = "gateway-a"
	gatewayB = "gateway-b"
	authzd   = "authzd"
	authzdB  = "authzd-b" // runs only where two are needed
)

// stack is the deployment under test: every process is real, and every edge
// between a process of the product and a service passes a proxy of ours.
type stack struct {
	dir  string
	bin  string   // folder of the product's programs
	env  []string // of the product's processes
	home string   // keys and certificates, made by `headgate dev`

	postgres *postgres
	redis    *redis
	// The edges by process; the bank's data does not pass them.
	toPostgres, toRedis map[string]*proxy

	procs map[string]*server
	ports map[string]int // where each process listens; authzd's is the issuer's
	sink  *sink

	// failover: Redis is given as one that another may take over from.
	failover bool

	issuer, pages, mtls, public string
	dev                         recipient.Stack
	lameDuck                    time.Duration
}

// deploy starts everything and returns when it is ready.
func deploy(ctx context.Context, c config) (_ *stack, err error) {
	s := &stack{
		dir: c.work, bin: c.bin, home: filepath.Join(c.work, "home"), lameDuck: 2 * time.Second,
		toPostgres: map[string]*proxy{}, toRedis: map[string]*proxy{}, procs: map[string]*server{}, ports: map[string]int{},
	}
	for _, name := range []string{"HEADGATE_BROKEN", "HEADGATE_PAUSE"} {
		if v := os.Getenv(name); v != "" {
			s.env = append(s.env, name+"="+v)
		}
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.postgres, err = newPostgres(ctx, c.work); err != nil {
		return nil, err
	}
	if s.redis, err = newRedis(c.work); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	var lost *packets
	if c.packets {
		if lost, err = newPackets(); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{gatewayA, gatewayB, authzd, authzdB} {
		if s.toPostgres[name], err = newProxy(name+" to PostgreSQL", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.postgres.port)), lost); err != nil {
			return nil, err
		}
		if s.toRedis[name], err = newProxy(name+" to Redis", s.redis.address(), lost); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{gatewayA, gatewayB, authzd, "pages", "mtls", authzdB, "pages-b", "mtls-b"} {
		if s.ports[name], err = freePort(); err != nil {
			return nil, err
		}
	}
	at := func(name string) string { return "https://localhost:" + strconv.Itoa(s.ports[name]) }
	s.issuer, s.pages, s.mtls, s.public = at(authzd), at("pages"), at("mtls"), at(gatewayA)
	if s.sink, err = newSink(s.certificate()); err != nil {
		return nil, err
	}
	if err := s.configure(); err != nil {
		return nil, err
	}
	for _, name := range []string{authzd, gatewayA, gatewayB} {
		if err := s.bring(name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// prepare has the product make its schema, keys, certificates and bank, as a
// developer's stack on our PostgreSQL, and ends that.
func (s *stack) prepare(ctx context.Context) error {
	first := &server{name: "prepare", path: filepath.Join(s.bin, "headgate"), dir: s.dir, args: []string{
		"dev", "--home", s.home, "--port-base", "0", "--postgres-dsn", s.postgres.dsn(""), "--redis-url", "redis://" + s.redis.address(),
	}}
	if err := first.start(); err != nil {
		return err
	}
	defer first.kill()
	file := filepath.Join(s.home, "dev.json")
	err := await("dev.json", 2*time.Minute, func() bool {
		_, err := os.Stat(file)
		return err == nil || first.ended() || ctx.Err() != nil
	})
	if err != nil {
		return err
	}
	if s.dev, err = recipient.ReadStack(file); err != nil {
		return err
	}
	// What it does at the end is none of ours: no lame duck.
	first.kill()
	return nil
}

// certificate is the server certificate and its key.
func (s *stack) certificate() (cert, key string) {
	return filepath.Join(s.home, "ca", "server.pem"), filepath.Join(s.home, "ca", "server-key.pem")
}

// signingKeys is the file of the keys that the authorization server signs with.
func (s *stack) signingKeys() string { return filepath.Join(s.home, "keys", "signing-keys.json") }

// clientCAs is the file of the authorities that may issue certificates of clients.
func (s *stack) clientCAs() string { return filepath.Join(s.dir, "client-ca.pem") }

// journal is the folder in which changes of consents are noted.
func (s *stack) journal() string { return filepath.Join(s.dir, "journal") }

// addresses writes the files that say where PostgreSQL and Redis are.
func (s *stack) addresses() error {
	kind := ""
	if s.failover {
		kind = "?failover=true"
	}
	faults := []error{os.WriteFile(filepath.Join(s.dir, "bank.dsn"), []byte(s.postgres.dsn("")), 0o600)}
	for name, edge := range s.toPostgres {
		faults = append(faults,
			os.WriteFile(filepath.Join(s.dir, name+".dsn"), []byte(s.postgres.dsn(edge.address())), 0o600),
			os.WriteFile(filepath.Join(s.dir, name+".redis"), []byte("redis://"+s.toRedis[name].address()+kind), 0o600))
	}
	return errors.Join(faults...)
}

// configure writes the configuration files of all processes.
func (s *stack) configure() error {
	keys := func(name string) string { return filepath.Join(s.home, "keys", name) }
	cert, key := s.certificate()
	bank := filepath.Join(s.dir, "bank.dsn")
	authorities, err := os.ReadFile(s.dev.CAFile)
	faults := []error{err, os.WriteFile(s.clientCAs(), authorities, 0o600), os.MkdirAll(s.journal(), 0o700), s.addresses()}
	listen := func(name string) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.ports[name])) }
	shared := func(name string) map[string]any {
		dsn, url := filepath.Join(s.dir, name+".dsn"), filepath.Join(s.dir, name+".redis")
		return map[string]any{
			"tls_cert_file": cert, "tls_key_file": key, "client_ca_file": s.clientCAs(), "postgres_dsn_file": dsn, "postgres_conns": 12,
			"redis_url_file": url, "hash_keys_file": keys("hash-keys.json"), "bank_dsn_file": bank, "bank_name": "Meadow Bank",
			"stranger_quota": 0, // all comes from one address here
			"lame_duck":      s.lameDuck.String(), "issuer": s.issuer, "journal_dir": s.journal(),
		}
	}
	write := func(name string, c map[string]any) {
		text, err := json.Marshal(c)
		faults = append(faults, err, os.WriteFile(filepath.Join(s.dir, name+".json"), text, 0o600))
		program := "gatewayd"
		if name == authzd || name == authzdB {
			program = authzd
		}
		s.procs[name] = &server{
			name: name, path: filepath.Join(s.bin, program), args: []string{filepath.Join(s.dir, name+".json")}, dir: s.dir, env: s.env,
		}
	}
	for name, suffix := range map[string]string{authzd: "", authzdB: "-b"} {
		a := shared(name)
		a["browser_base"], a["mtls_base"] = s.pages, s.mtls
		a["listen_protocol"], a["listen_browser"], a["listen_mtls"] = listen(name), listen("pages"+suffix), listen("mtls"+suffix)
		a["signing_keys_file"], a["seal_keys_file"], a["subject_key_file"] = keys("signing-keys.json"), keys("seal-keys.json"), keys("subject-key.json")
		a["client_quota"], a["introspection_quota"], a["stop_quota"] = 0, 0, 0
		a["audit_key_file"] = keys("audit-key")
		a["outbound_ca_file"], a["outbound_allow"], a["outbound_ports"] = s.dev.CAFile, []string{"127.0.0.0/8", "::1/128"}, []string{s.sink.port}
		write(name, a)
	}
	for _, name := range []string{gatewayA, gatewayB} {
		g := shared(name)
		g["recipient_quota"], g["consent_quota"] = 0, 0
		g["public"], g["listen"], g["instance"], g["page_keys_file"] = s.public, listen(name), name, keys("page-keys.json")
		write(name, g)
	}
	return errors.Join(faults...)
}

// bring starts a process of the product and returns when it wants traffic.
func (s *stack) bring(name string) error {
	p := s.procs[name]
	if err := p.start(); err != nil {
		return err
	}
	roots, err := s.dev.TLS()
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{TLSClientConfig: roots, DisableKeepAlives: true}}
	err = await(name, time.Minute, func() bool {
		resp, err := client.Get("https://localhost:" + strconv.Itoa(s.ports[name]) + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK || p.ended()
	})
	if err == nil && p.ended() {
		err = fmt.Errorf("%s ended at once: see %s.log in %s", name, name, s.dir)
	}
	return err
}

// logged counts how often a process has written a text into its log.
func (s *stack) logged(name, text string) (int, error) {
	log, err := os.ReadFile(filepath.Join(s.dir, name+".log"))
	return strings.Count(string(log), text), err
}

// headgate runs the operator's tool to its end.
func (s *stack) headgate(args ...string) (string, error) {
	dsn := filepath.Join(s.dir, "bank.dsn")
	url := filepath.Join(s.dir, authzd+".redis")
	tool := server{
		name: "headgate", path: filepath.Join(s.bin, "headgate"), dir: s.dir, env: s.env,
		args: append(args, "--postgres-dsn-file", dsn, "--redis-url-file", url),
	}
	return tool.run()
}

// close ends all processes.
func (s *stack) close() {
	for _, p := range s.procs {
		p.signal(syscall.SIGCONT)
		p.kill()
	}
	for _, list := range []map[string]*proxy{s.toPostgres, s.toRedis} {
		for _, p := range list {
			p.close()
		}
	}
	if s.redis != nil {
		s.redis.kill()
	}
	if s.postgres != nil {
		s.postgres.signalAll(syscall.SIGCONT)
		_ = s.postgres.end(syscall.SIGQUIT, 10*time.Second)
	}
	if s.sink != nil {
		s.sink.close()
	}
	s.unmount()
}
