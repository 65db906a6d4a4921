package ledger

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Checkpoint is what the tree was at some time.
type Checkpoint struct {
	Size int64
	Root Hash
	At   time.Time // whole seconds, UTC
}

// MaxNote bounds a signed checkpoint, in bytes.
const MaxNote = 4 << 10

// ErrCheckpoint: a note is not a checkpoint that the key has signed.
var ErrCheckpoint = errors.New("ledger: not a checkpoint of this key")

// atPrefix starts the line that says when.
const atPrefix = "at "

// text writes the body of the note: the origin, which is the name of the key,
// the size, the root, and when.
func (c Checkpoint) text(origin string) string {
	return fmt.Sprintf("%s\n%d\n%s\n%s%s\n", origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]), atPrefix, c.At.UTC().Format(time.RFC3339))
}

// parseCheckpoint takes nothing but what text writes.
func parseCheckpoint(origin, body string) (Checkpoint, error) {
	lines := strings.Split(body, "\n")
	if len(lines) != 5 || lines[0] != origin {
		return Checkpoint{}, ErrCheckpoint
	}
	var c Checkpoint
	var err error
	if c.Size, err = strconv.ParseInt(lines[1], 10, 64); err != nil || c.Size < 0 {
		return Checkpoint{}, ErrCheckpoint
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || copy(c.Root[:], root) != len(c.Root) {
		return Checkpoint{}, ErrCheckpoint
	}
	if c.At, err = time.Parse(time.RFC3339, strings.TrimPrefix(lines[3], atPrefix)); err != nil {
		return Checkpoint{}, ErrCheckpoint
	}
	if c.text(origin) != body {
		return Checkpoint{}, ErrCheckpoint
	}
	return c, nil
}

// NewKey makes a key that signs checkpoints, one line, to be kept secret. Its
// name is a random one, so that no two deployments share it.
func NewKey() (string, error) {
	var name [6]byte
	_, _ = rand.Read(name[:]) // never fails
	secret, _, err := note.GenerateKey(rand.Reader, "headgate-audit-"+hex.EncodeToString(name[:]))
	return secret, err
}

// Signer signs checkpoints. It is safe for concurrent use.
type Signer struct {
	key    note.Signer
	public string
}

var errSecret = errors.New("ledger: not a key that signs checkpoints")

// NewSigner reads a secret key as NewKey made it.
func NewSigner(secret string) (Signer, error) {
	secret = strings.TrimSpace(secret)
	key, err := note.NewSigner(secret)
	if err != nil {
		return Signer{}, errSecret
	}
	// PRIVATE+KEY+name+hash+base64 of the algorithm, 1, and the seed.
	seed, err := base64.StdEncoding.DecodeString(secret[max(0, len(secret)-base64Seed):])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return Signer{}, errSecret
	}
	pair := ed25519.NewKeyFromSeed(seed[1:])
	public, err := note.NewEd25519VerifierKey(key.Name(), pair.Public().(ed25519.PublicKey))
	if err != nil {
		return Signer{}, errSecret
	}
	return Signer{key, public}, nil
}

// base64Seed is the length of an algorithm and a seed in base64.
const base64Seed = (1 + ed25519.SeedSize) / 3 * 4

// Public returns the other half of the key, in one line.
func (s Signer) Public() string { return s.public }

// Verifier returns what opens what s signs.
func (s Signer) Verifier() Verifier {
	v, _ := NewVerifier(s.public) // made by NewSigner
	return v
}

// Sign returns the checkpoint as a signed note.
func (s Signer) Sign(c Checkpoint) ([]byte, error) {
	return note.Sign(&note.Note{Text: c.text(s.key.Name())}, s.key)
}

// Verifier opens checkpoints. It is safe for concurrent use.
type Verifier struct{ key note.Verifier }

// NewVerifier reads a public key as Signer.Public gives it.
func NewVerifier(public string) (Verifier, error) {
	key, err := note.NewVerifier(strings.TrimSpace(public))
	if err != nil {
		return Verifier{}, errors.New("ledger: not a key that verifies checkpoints")
	}
	return Verifier{key}, nil
}

// Open returns the checkpoint in a note that the key has signed, or
// ErrCheckpoint.
func (v Verifier) Open(msg []byte) (Checkpoint, error) {
	if len(msg) > MaxNote {
		return Checkpoint{}, ErrCheckpoint
	}
	n, err := note.Open(msg, note.VerifierList(v.key))
	if err != nil || len(n.Sigs) == 0 {
		return Checkpoint{}, ErrCheckpoint
	}
	return parseCheckpoint(v.key.Name(), n.Text)
}
