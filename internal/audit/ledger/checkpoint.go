package ledger

import (
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

// NewKey makes a key: what signs checkpoints, to be kept secret, and what
// verifies them, to be handed to whoever is to verify. Each is one line. The
// name that both hold is a random one, so that no two deployments share it.
func NewKey() (secret, public string, err error) {
	var name [6]byte
	_, _ = rand.Read(name[:]) // never fails
	return note.GenerateKey(rand.Reader, "headgate-audit-"+hex.EncodeToString(name[:]))
}

// Signer signs checkpoints. It is safe for concurrent use.
type Signer struct{ key note.Signer }

// NewSigner reads a secret key as NewKey made it.
func NewSigner(secret string) (Signer, error) {
	key, err := note.NewSigner(strings.TrimSpace(secret))
	if err != nil {
		return Signer{}, errors.New("ledger: not a key that signs checkpoints")
	}
	return Signer{key}, nil
}

// Sign returns the checkpoint as a signed note.
func (s Signer) Sign(c Checkpoint) ([]byte, error) {
	return note.Sign(&note.Note{Text: c.text(s.key.Name())}, s.key)
}

// Verifier opens checkpoints. It is safe for concurrent use.
type Verifier struct{ key note.Verifier }

// NewVerifier reads a public key as NewKey made it.
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
