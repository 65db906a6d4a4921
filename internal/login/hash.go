package login

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// params are the cost of one argon2id hash.
type params struct {
	memory  uint32 // KiB
	time    uint32 // passes
	threads uint8
}

// present is what new hashes are made with: 19 MiB, two passes, one lane,
// about 30 ms of one core.
var present = params{memory: 19 << 10, time: 2, threads: 1}

const (
	saltBytes = 16
	keyBytes  = 32
)

// ErrHash is returned for a stored hash that is not an argon2id PHC string
// within the bounds of this package.
var ErrHash = errors.New("login: stored hash is not usable")

// Hash returns the argon2id hash of a password as a PHC string with a fresh
// salt, about 100 bytes of ASCII. It allocates 19 MiB while it runs. It
// returns ErrPassword for a password that no sign-in would accept.
func Hash(password string) (string, error) {
	if !usable(password) {
		return "", ErrPassword
	}
	h := hash{params: present, salt: make([]byte, saltBytes)}
	rand.Read(h.salt) // never fails (crypto/rand, Go 1.24)
	h.key = h.params.key(password, h.salt, keyBytes)
	return h.String(), nil
}

// hash is a PHC string taken apart.
type hash struct {
	params
	salt, key []byte
}

func (p params) key(password string, salt []byte, n uint32) []byte {
	return argon2.IDKey([]byte(password), salt, p.time, p.memory, p.threads, n)
}

// matches does the same work whatever the answer.
func (h hash) matches(password string) bool {
	got := h.params.key(password, h.salt, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(got, h.key) == 1
}

// String returns the PHC string.
func (h hash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.threads,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.key))
}

// parseHash reads a PHC string. The bounds keep a damaged or planted row from
// asking for more memory or time than a sign-in may cost.
func parseHash(s string) (hash, error) {
	var h hash
	part := strings.Split(s, "$")
	if len(s) > 512 || len(part) != 6 || part[0] != "" || part[1] != "argon2id" ||
		part[2] != "v="+strconv.Itoa(argon2.Version) {
		return hash{}, ErrHash
	}
	cost := strings.Split(part[3], ",")
	if len(cost) != 3 {
		return hash{}, ErrHash
	}
	memory, ok1 := number(cost[0], "m=", 8, 256<<10)
	passes, ok2 := number(cost[1], "t=", 1, 10)
	lanes, ok3 := number(cost[2], "p=", 1, 8)
	if !ok1 || !ok2 || !ok3 {
		return hash{}, ErrHash
	}
	h.params = params{memory: uint32(memory), time: uint32(passes), threads: uint8(lanes)}
	strict := base64.RawStdEncoding.Strict()
	var err1, err2 error
	h.salt, err1 = strict.DecodeString(part[4])
	h.key, err2 = strict.DecodeString(part[5])
	if err1 != nil || err2 != nil || len(h.salt) < 8 || len(h.salt) > 64 || len(h.key) < 16 || len(h.key) > 64 {
		return hash{}, ErrHash
	}
	// The decoder skips line ends; the one accepted form is the one that
	// String writes.
	if h.String() != s {
		return hash{}, ErrHash
	}
	return h, nil
}

// number reads a decimal with this prefix, between low and high.
func number(s, prefix string, low, high uint64) (uint64, bool) {
	digits, found := strings.CutPrefix(s, prefix)
	n, err := strconv.ParseUint(digits, 10, 32)
	return n, found && err == nil && n >= low && n <= high
}
