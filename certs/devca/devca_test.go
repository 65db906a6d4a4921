package devca_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/certs/devca"
)

const day = 24 * time.Hour

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, now time.Time) *devca.CA {
	t.Helper()
	ca, err := devca.Open(devca.Config{Dir: dir, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func server(t *testing.T, ca *devca.CA) devca.Pair {
	t.Helper()
	p, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func client(t *testing.T, ca *devca.CA, name string) devca.Pair {
	t.Helper()
	p, err := ca.Client(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func leaf(t *testing.T, p devca.Pair) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func parse(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(read(t, path)))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// verify checks a leaf as a client or server would that trusts the CA's file.
func verify(t *testing.T, ca *devca.CA, p devca.Pair, at time.Time, use x509.ExtKeyUsage) error {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(read(t, ca.File()))) {
		t.Fatal("no authority in its file")
	}
	_, err := leaf(t, p).Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{use}})
	return err
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "on", "demand")
	ca := open(t, dir, start)
	s, c := server(t, ca), client(t, ca, "recipient-1")
	for name, tt := range map[string]struct {
		pair devca.Pair
		at   time.Time
		use  x509.ExtKeyUsage
		want bool
	}{
		"server":                    {s, start, x509.ExtKeyUsageServerAuth, true},
		"server on the last day":    {s, start.Add(90*day - time.Minute), x509.ExtKeyUsageServerAuth, true},
		"server after 90 days":      {s, start.Add(90*day + time.Minute), x509.ExtKeyUsageServerAuth, false},
		"server as a client":        {s, start, x509.ExtKeyUsageClientAuth, false},
		"client":                    {c, start, x509.ExtKeyUsageClientAuth, true},
		"client as a server":        {c, start, x509.ExtKeyUsageServerAuth, false},
		"client long before issue":  {c, start.Add(-day), x509.ExtKeyUsageClientAuth, false},
		"client a moment too early": {c, start.Add(-time.Minute), x509.ExtKeyUsageClientAuth, true},
	} {
		if err := verify(t, ca, tt.pair, tt.at, tt.use); (err == nil) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "::1": true, "example.com": false, "127.0.0.2": false, "a.localhost": false,
	} {
		if err := leaf(t, s).VerifyHostname(host); (err == nil) != want {
			t.Errorf("%s: %v", host, err)
		}
	}
	if dn := leaf(t, c).Subject.String(); dn != "CN=recipient-1" {
		t.Errorf("subject %s", dn)
	}
	for _, p := range []devca.Pair{s, c} {
		if l := leaf(t, p); l.IsCA || l.PublicKey.(*ecdsa.PublicKey).Curve != elliptic.P256() {
			t.Errorf("%s: an authority or not P-256", p.CertFile)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 6 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f.Name(), "-key.pem") && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
	}
}

func TestOpenIsIdempotent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir, start)
	s, c := server(t, first), client(t, first, "one")
	before := []string{read(t, first.File()), read(t, s.CertFile), read(t, s.KeyFile), read(t, c.CertFile), read(t, c.KeyFile)}
	for _, later := range []time.Duration{0, time.Hour, 60 * day} {
		again := open(t, dir, start.Add(later))
		if server(t, again) != s || client(t, again, "one") != c || again.File() != first.File() {
			t.Fatal("the files have other names")
		}
		after := []string{read(t, again.File()), read(t, s.CertFile), read(t, s.KeyFile), read(t, c.CertFile), read(t, c.KeyFile)}
		for i := range before {
			if before[i] != after[i] {
				t.Errorf("%s later: file %d was made anew", later, i)
			}
		}
	}
}

func TestLeafIsIssuedAnew(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		later time.Duration
		spoil func(t *testing.T, p devca.Pair)
	}{
		"under 30 days left": {later: 60*day + time.Minute},
		"expired":            {later: 200 * day},
		"clock set back":     {later: -2 * time.Hour}, // this replaces the authority as well
		"certificate gone":   {spoil: func(t *testing.T, p devca.Pair) { remove(t, p.CertFile) }},
		"key gone":           {spoil: func(t *testing.T, p devca.Pair) { remove(t, p.KeyFile) }},
		"certificate cut off": {spoil: func(t *testing.T, p devca.Pair) {
			if err := os.Truncate(p.CertFile, 100); err != nil {
				t.Fatal(err)
			}
		}},
		"key readable by others": {spoil: func(t *testing.T, p devca.Pair) {
			if err := os.Chmod(p.KeyFile, 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		"of another authority": {spoil: func(t *testing.T, p devca.Pair) { copyPair(t, server(t, open(t, t.TempDir(), start)), p) }},
		"a client's instead": {spoil: func(t *testing.T, p devca.Pair) {
			copyPair(t, client(t, open(t, filepath.Dir(p.CertFile), start), "x"), p)
		}},
		"the authority's instead": {spoil: func(t *testing.T, p devca.Pair) {
			dir := filepath.Dir(p.CertFile)
			copyPair(t, devca.Pair{CertFile: filepath.Join(dir, "ca.pem"), KeyFile: filepath.Join(dir, "ca-key.pem")}, p)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := server(t, open(t, dir, start))
			serial := leaf(t, p).SerialNumber
			if tt.spoil != nil {
				tt.spoil(t, p)
			}
			now := start.Add(tt.later)
			ca := open(t, dir, now)
			again := server(t, ca)
			if again != p {
				t.Errorf("other files: %v", again)
			}
			if leaf(t, again).SerialNumber.Cmp(serial) == 0 {
				t.Error("used again")
			}
			if err := verify(t, ca, again, now, x509.ExtKeyUsageServerAuth); err != nil {
				t.Error(err)
			}
			if info, err := os.Stat(p.KeyFile); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("key has mode %v, %v", info.Mode(), err)
			}
		})
	}
}

// A certificate of the authority that names someone else, or is for another
// use, is not used in place of the one that is asked for.
func TestClientIsIssuedAnew(t *testing.T) {
	t.Parallel()
	ca := open(t, t.TempDir(), start)
	for name, other := range map[string]devca.Pair{"one": client(t, ca, "two"), "localhost": server(t, ca)} {
		p := client(t, ca, name)
		copyPair(t, other, p)
		if l := leaf(t, client(t, ca, name)); l.Subject.CommonName != name || l.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
			t.Errorf("%s: got %s for %v", name, l.Subject, l.ExtKeyUsage)
		}
	}
}

func TestAuthorityIsReplaced(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		later time.Duration
		spoil func(t *testing.T, dir string)
		want  bool
	}{
		"half a year later":     {later: 180 * day},
		"31 days before expiry": {later: 334 * day},
		"29 days before expiry": {later: 336 * day, want: true},
		"expired":               {later: 400 * day, want: true},
		"key gone":              {spoil: func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "ca-key.pem")) }, want: true},
		"certificate gone":      {spoil: func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "ca.pem")) }, want: true},
		"a leaf instead": {want: true, spoil: func(t *testing.T, dir string) {
			copyPair(t, server(t, open(t, dir, start)), devca.Pair{CertFile: filepath.Join(dir, "ca.pem"), KeyFile: filepath.Join(dir, "ca-key.pem")})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ca := open(t, dir, start)
			before := read(t, ca.File())
			client(t, ca, "one")
			if tt.spoil != nil {
				tt.spoil(t, dir)
			}
			now := start.Add(tt.later)
			ca = open(t, dir, now)
			if got := read(t, ca.File()) != before; got != tt.want {
				t.Errorf("replaced: %v", got)
			}
			c := client(t, ca, "one")
			if err := verify(t, ca, c, now, x509.ExtKeyUsageClientAuth); err != nil {
				t.Error(err)
			}
			if authority := parse(t, ca.File()); leaf(t, c).NotAfter.After(authority.NotAfter) {
				t.Error("the leaf outlives its authority")
			}
			if err := verify(t, ca, c, now.Add(29*day), x509.ExtKeyUsageClientAuth); err != nil {
				t.Errorf("a month later: %v", err)
			}
		})
	}
}

func TestClientNames(t *testing.T) {
	t.Parallel()
	ca := open(t, t.TempDir(), start)
	for name, want := range map[string]bool{
		"a": true, "fintech.example": true, "A_b-9": true, strings.Repeat("x", 64): true,
		"": false, ".": false, "..": false, "../up": false, "a/b": false, "a b": false, "-a": false, "a,O=b": false,
		"a\n": false, "a\x00": false, "\u00e9": false, strings.Repeat("x", 65): false,
	} {
		if _, err := ca.Client(name); (err == nil) != want {
			t.Errorf("name of %d bytes %v: %v", len(name), []byte(name), err)
		}
	}
	if a, b := client(t, ca, "one"), client(t, ca, "two"); a == b || read(t, a.KeyFile) == read(t, b.KeyFile) {
		t.Error("two clients share a key")
	}
}

func TestOpenReportsTheDisk(t *testing.T) {
	t.Parallel()
	if _, err := devca.Open(devca.Config{}); err == nil {
		t.Error("opened without a folder")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := devca.Open(devca.Config{Dir: filepath.Join(file, "below")}); err == nil {
		t.Error("opened below a file")
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "ca-key.pem"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := devca.Open(devca.Config{Dir: dir}); err == nil {
		t.Error("replaced a folder by a key")
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func copyPair(t *testing.T, from, to devca.Pair) {
	t.Helper()
	for a, b := range map[string]string{from.CertFile: to.CertFile, from.KeyFile: to.KeyFile} {
		if err := os.WriteFile(b, []byte(read(t, a)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
