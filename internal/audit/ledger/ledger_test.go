package ledger_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/headgate/headgate/internal/audit/ledger"
	"github.com/headgate/headgate/internal/outbound"
)

func signer(t testing.TB) ledger.Signer {
	t.Helper()
	secret, err := ledger.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ledger.NewSigner(secret + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signed(t testing.TB, s ledger.Signer, c ledger.Checkpoint) []byte {
	t.Helper()
	note, err := s.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	return note
}

// memory is what proofs are made from, with every leaf i the hash of its number.
type memory struct {
	leaves []ledger.Hash
	nodes  map[[2]int64]ledger.Hash
	tree   ledger.Tree
}

func (m *memory) grow(n int) {
	for range n {
		leaf := tlog.RecordHash([]byte(strconv.Itoa(len(m.leaves))))
		m.leaves = append(m.leaves, leaf)
		m.tree.Append(leaf, func(level int, n int64, h ledger.Hash) {
			if level >= ledger.NodeLevel {
				m.nodes[[2]int64{int64(level), n}] = h
			}
		})
	}
}

func (m *memory) Leaves(_ context.Context, from int64, limit int) ([]ledger.Hash, error) {
	return m.leaves[min(int(from), len(m.leaves)):min(int(from)+limit, len(m.leaves))], nil
}

func (m *memory) Node(_ context.Context, level int, n int64) (ledger.Hash, error) {
	h, ok := m.nodes[[2]int64{int64(level), n}]
	if !ok {
		return h, ledger.ErrTree
	}
	return h, nil
}

// The same tree as that of the library that others verify with.
func TestTreeIsThatOfRFC6962(t *testing.T) {
	t.Parallel()
	m := &memory{nodes: map[[2]int64]ledger.Hash{}}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var all []tlog.Hash
		for _, i := range indexes {
			all = append(all, stored[i])
		}
		return all, nil
	})
	if m.tree.Root() != ledger.Hash(sha256.Sum256(nil)) {
		t.Error("the empty tree has another root")
	}
	for n := int64(0); n < 1300; n++ {
		more, err := tlog.StoredHashes(n, []byte(strconv.FormatInt(n, 10)), reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		m.grow(1)
		want, err := tlog.TreeHash(n+1, reader)
		if err != nil || m.tree.Root() != want || m.tree.Size() != n+1 {
			t.Fatalf("the root of %d differs (%v)", n+1, err)
		}
		again, err := ledger.NewTree(m.tree.Size(), m.tree.Edge(), m.tree.Root())
		if err != nil || again.Root() != want {
			t.Fatalf("%d: %v", n, err)
		}
	}
	for _, size := range []int64{1, 2, 255, 256, 257, 1024, 1299, 1300} {
		want, _ := tlog.TreeHash(size, reader)
		if got, err := ledger.RootAt(t.Context(), m, size); err != nil || got != want {
			t.Errorf("the root at %d: %v", size, err)
		}
	}
}

func TestTreeThatContradictsItselfIsRefused(t *testing.T) {
	t.Parallel()
	m := &memory{nodes: map[[2]int64]ledger.Hash{}}
	m.grow(7)
	edge, root := m.tree.Edge(), m.tree.Root()
	swapped := []ledger.Hash{edge[1], edge[0], edge[2]}
	for name, f := range map[string]func() (*ledger.Tree, error){
		"too short":    func() (*ledger.Tree, error) { return ledger.NewTree(7, edge[:2], root) },
		"swapped":      func() (*ledger.Tree, error) { return ledger.NewTree(7, swapped, root) },
		"another root": func() (*ledger.Tree, error) { return ledger.NewTree(7, edge, edge[0]) },
		"negative":     func() (*ledger.Tree, error) { return ledger.NewTree(-1, nil, root) },
	} {
		if _, err := f(); !errors.Is(err, ledger.ErrTree) {
			t.Errorf("%s: got %v, want ErrTree", name, err)
		}
	}
}

func TestProofsOfRecords(t *testing.T) {
	t.Parallel()
	s := signer(t)
	p := &prover{memory: memory{nodes: map[[2]int64]ledger.Hash{}}}
	for i := range 700 {
		r := record()
		r.RequestID[15], r.RequestID[14] = byte(i), byte(i>>8)
		p.records = append(p.records, r)
		p.leaves = append(p.leaves, r.Leaf())
		p.tree.Append(r.Leaf(), func(level int, n int64, h ledger.Hash) { p.nodes[[2]int64{int64(level), n}] = h })
	}
	ctx, v := t.Context(), s.Verifier()
	if _, _, err := ledger.ProveRecord(ctx, p, v, p.records[0].RequestID); !errors.Is(err, ledger.ErrNotCovered) {
		t.Errorf("without a checkpoint: %v", err)
	}
	p.note = signed(t, s, ledger.Checkpoint{Size: 700, Root: p.tree.Root(), At: time.Unix(0, 0)})
	for _, i := range []int{0, 1, 255, 256, 511, 512, 698, 699} {
		proof, r, err := ledger.ProveRecord(ctx, p, v, p.records[i].RequestID)
		if err != nil || proof.Index != int64(i) {
			t.Fatalf("%d: %v", i, err)
		}
		if c, err := proof.Check(v, r.Leaf()); err != nil || c.Size != 700 {
			t.Errorf("%d: %v", i, err)
		}
		other := p.records[(i+1)%700]
		if _, err := proof.Check(v, other.Leaf()); !errors.Is(err, ledger.ErrProof) {
			t.Errorf("%d proves another record: %v", i, err)
		}
		if _, err := proof.Check(signer(t).Verifier(), r.Leaf()); !errors.Is(err, ledger.ErrCheckpoint) {
			t.Errorf("%d is believed without the key: %v", i, err)
		}
		wrong := proof
		for _, index := range []int64{-1, 700, int64(i) + 1} {
			wrong.Index = index
			if _, err := wrong.Check(v, r.Leaf()); !errors.Is(err, ledger.ErrProof) {
				t.Errorf("%d at %d: %v", i, index, err)
			}
		}
		p.records[i].Count ^= 1
		if _, _, err := ledger.ProveRecord(ctx, p, v, p.records[i].RequestID); !errors.Is(err, ledger.ErrProof) {
			t.Errorf("%d, changed: %v", i, err)
		}
		p.records[i].Count ^= 1
	}
}

type prover struct {
	memory
	records []ledger.Record
	note    []byte
}

func (p *prover) Find(_ context.Context, id ledger.ID) (ledger.Record, int64, error) {
	for i, r := range p.records {
		if r.RequestID == id {
			return r, int64(i), nil
		}
	}
	return ledger.Record{}, -1, ledger.ErrNoRecord
}

func (p *prover) Newest(context.Context) ([]byte, error) { return p.note, nil }

func record() ledger.Record {
	return ledger.Record{
		RequestID: ledger.ID{1}, At: 2, Recipient: "r", Grant: "g", Epoch: 3, Consumer: "c", Operation: "o", Accounts: "{a}", Clusters: "{b}",
		WindowStart: ledger.Date{Set: true, Days: 4}, Count: 5, Bytes: 6, BodyHash: []byte{7}, Outcome: "given", Reason: "x", Attended: true,
		Interaction: "i", Instance: "n", Lane: "l", Counter: 8, Transaction: 9,
	}
}

// Every member of a record is in its leaf, and none runs into the next.
func TestLeafHasEveryMember(t *testing.T) {
	t.Parallel()
	r := record()
	seen := map[ledger.Hash]string{r.Leaf(): "unchanged"}
	note := func(name string, r ledger.Record) {
		if other, twice := seen[r.Leaf()]; twice {
			t.Errorf("%s has the leaf of %s", name, other)
		}
		seen[r.Leaf()] = name
	}
	for i := range reflect.TypeFor[ledger.Record]().NumField() {
		changed := record()
		name := reflect.TypeFor[ledger.Record]().Field(i).Name
		switch f := reflect.ValueOf(&changed).Elem().Field(i).Addr().Interface().(type) {
		case *ledger.ID:
			f[15] ^= 1
		case *int64:
			*f ^= 1
		case *uint64:
			*f ^= 1
		case *string:
			*f += "\x00"
		case *bool:
			*f = !*f
		case *[]byte:
			*f = nil
		case *ledger.Date:
			f.Set = !f.Set
		default:
			t.Fatalf("%s is of another type", name)
		}
		note(name, changed)
	}
	moved := record()
	moved.Recipient, moved.Grant = "", "rg"
	note("a moved text", moved)
}

// The form is a promise: records of years ago are verified by it.
func TestLeafFormIsKept(t *testing.T) {
	t.Parallel()
	r := record()
	const want = "0101000000000000000000000000000000" + "0000000000000002" + "0000000172" + "0000000167" + "0000000000000003" +
		"0000000163" + "000000016f" + "000000037b617d" + "000000037b627d" + "0100000004" + "00" + "0000000000000005" + "0000000000000006" +
		"0000000107" + "00000005676976656e" + "0000000178" + "01" + "0000000169" + "000000016e" + "000000016c" + "0000000000000008" + "0000000000000009"
	if got := fmt.Sprintf("%x", r.AppendTo(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCheckpointsOpenAsTheyWereSigned(t *testing.T) {
	t.Parallel()
	s := signer(t)
	c := ledger.Checkpoint{Size: 12, Root: ledger.Hash{1, 2, 3}, At: time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)}
	note := signed(t, s, c)
	if got, err := s.Verifier().Open(note); err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
	if !strings.Contains(s.Public(), "headgate-audit-") || strings.Contains(s.Public(), "PRIVATE") {
		t.Errorf("public half: %s", s.Public())
	}
	for i := range note {
		bad := append([]byte(nil), note...)
		bad[i] ^= 1
		// The last character of a signature has bits that mean nothing.
		if got, err := s.Verifier().Open(bad); !errors.Is(err, ledger.ErrCheckpoint) && got != c {
			t.Errorf("byte %d: %+v, %v", i, got, err)
		}
	}
	for name, bad := range map[string][]byte{
		"another key's": signed(t, signer(t), c), "nothing": nil, "cut off": note[:len(note)-2],
		"doubled": append(append([]byte(nil), note...), note...), "oversized": append(append([]byte(nil), note...), make([]byte, ledger.MaxNote)...),
	} {
		if _, err := s.Verifier().Open(bad); !errors.Is(err, ledger.ErrCheckpoint) {
			t.Errorf("%s: got %v, want ErrCheckpoint", name, err)
		}
	}
	for _, bad := range []string{"", "x", "PRIVATE+KEY+a+00000000+AAAA", s.Public()} {
		if _, err := ledger.NewSigner(bad); err == nil {
			t.Errorf("%q signs", bad)
		}
	}
	if _, err := ledger.NewVerifier("x"); err == nil {
		t.Error("x verifies")
	}
}

func FuzzOpen(f *testing.F) {
	s := signer(f)
	note := signed(f, s, ledger.Checkpoint{Size: 1, At: time.Unix(0, 0)})
	f.Add(note)
	f.Add([]byte("a\n1\nAAAA\nat now\n\n— a AAAA\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		c, err := s.Verifier().Open(msg)
		if err == nil {
			if again := signed(t, s, c); !strings.HasPrefix(string(msg), strings.SplitN(string(again), "\n\n", 2)[0]) {
				t.Errorf("%q opens as %+v", msg, c)
			}
		}
	})
}

func TestDirNeverReplaces(t *testing.T) {
	t.Parallel()
	ctx, d := t.Context(), ledger.Dir(t.TempDir()+"/new")
	if note, err := d.Newest(ctx); note != nil || err != nil {
		t.Errorf("empty: %q, %v", note, err)
	}
	for _, size := range []int64{5, 1 << 20, 1<<20 + 7, 1 << 40, 9} {
		if err := d.Put(ctx, size, []byte(strconv.FormatInt(size, 10))); err != nil {
			t.Fatal(err)
		}
	}
	if note, err := d.Newest(ctx); string(note) != strconv.Itoa(1<<40) || err != nil {
		t.Errorf("newest: %q, %v", note, err)
	}
	if err := d.Put(ctx, 9, []byte("9")); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if err := d.Put(ctx, 9, []byte("x")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("another one: got %v, want ErrExist", err)
	}
	var sizes []string
	if err := d.All(func(_ string, note []byte) error { sizes = append(sizes, string(note)); return nil }); err != nil {
		t.Error(err)
	}
	if got, want := strings.Join(sizes, " "), fmt.Sprint("5 9 ", 1<<20, " ", 1<<20+7, " ", 1<<40); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// bucket is a store that takes PUT and GET and never replaces what has a size.
type bucket struct {
	mu     sync.Mutex
	stored map[string]string
	fails  int // status of every answer; 0 answers properly
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := r.URL.Path
	_, there := b.stored[name]
	switch {
	case b.fails != 0:
		w.WriteHeader(b.fails)
	case r.Method == http.MethodPut && there && r.Header.Get("If-None-Match") == "*":
		w.WriteHeader(http.StatusPreconditionFailed)
	case r.Method == http.MethodPut:
		var body strings.Builder
		_, _ = fmt.Fprint(&body, readAll(r))
		b.stored[name] = body.String()
		w.WriteHeader(http.StatusCreated)
	case !there:
		w.WriteHeader(http.StatusNotFound)
	default:
		_, _ = w.Write([]byte(b.stored[name]))
	}
}

func readAll(r *http.Request) string {
	buf := make([]byte, ledger.MaxNote)
	n, _ := r.Body.Read(buf)
	return string(buf[:n])
}

func TestWebIsPutAndReadBack(t *testing.T) {
	t.Parallel()
	b := &bucket{stored: map[string]string{}}
	srv := httptest.NewTLSServer(b)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.ParseUint(u.Port(), 10, 16)
	client, err := outbound.New(outbound.Config{
		TLS: srv.Client().Transport.(*http.Transport).TLSClientConfig, Ports: []uint16{uint16(port)},
		AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, w := t.Context(), ledger.NewWeb(client, srv.URL+"/audit")
	if note, err := w.Newest(ctx); note != nil || err != nil {
		t.Errorf("empty: %q, %v", note, err)
	}
	for _, size := range []int64{3, 4, 3} {
		if err := w.Put(ctx, size, []byte(fmt.Sprint(size, rand.Int()))); err != nil && size != 3 {
			t.Fatal(err)
		}
	}
	if note, err := w.Newest(ctx); err != nil || note[0] != '3' {
		t.Errorf("newest: %q, %v", note, err)
	}
	if len(b.stored) != 3 || b.stored["/audit/0000000000000000004"] == "" {
		t.Errorf("stored %v", b.stored)
	}
	b.mu.Lock()
	b.fails = http.StatusInternalServerError
	b.mu.Unlock()
	if err := w.Put(ctx, 5, nil); !errors.Is(err, outbound.ErrStatus) {
		t.Errorf("put: got %v, want ErrStatus", err)
	}
	if note, err := w.Newest(ctx); !errors.Is(err, outbound.ErrStatus) || len(note) > 0 {
		t.Errorf("newest: got %q, %v, want ErrStatus", note, err)
	}
}
