package suite

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Statement is the software statement of this run (RFC 7591 section 2.3): the
// same for all cases, since one registers one client, once. Where the target
// names the keys that sign statements, it is one like the target's that nobody
// has seen before; otherwise it is the target's own, of which every run needs
// another.
func (t *T) Statement() string {
	return Once(t, "software statement", func(t *T) string {
		text, err := os.ReadFile(t.Target.path(t.Target.SoftwareStatementFile))
		if err != nil {
			t.Cannot("read the software statement", err)
		}
		compact := strings.TrimSpace(string(text))
		if t.Target.SoftwareStatementKeysFile == "" {
			return compact
		}
		if compact, err = t.Target.statementLike(compact, time.Now()); err != nil {
			t.Cannot("sign a software statement", err)
		}
		return compact
	})
}

// statementLike signs what an old statement says under a new jti, from now on
// for as long as the old one was good.
func (t *Target) statementLike(old string, now time.Time) (string, error) {
	text, err := os.ReadFile(t.path(t.SoftwareStatementKeysFile))
	if err != nil {
		return "", err
	}
	var set jose.JSONWebKeySet
	if json.Unmarshal(text, &set) != nil {
		// The cause may quote the file, and the file is a private key.
		return "", fmt.Errorf("software_statement_keys_file is not a JSON Web Key Set")
	}
	j := &JWT{Header: Headerset(old), Claims: Claimset(old)}
	if j.Header == nil || j.Claims == nil {
		return "", fmt.Errorf("software_statement_file holds no JWT")
	}
	kid, _ := j.Header["kid"].(string)
	alg, _ := j.Header["alg"].(string)
	keys := set.Key(kid)
	if len(keys) != 1 {
		return "", fmt.Errorf("software_statement_keys_file holds %d keys with the kid of the statement; expected 1", len(keys))
	}
	if j.Key, err = keyOf(keys[0]); err != nil {
		return "", fmt.Errorf("software_statement_keys_file: %w", err)
	}
	j.Key = j.Key.As(alg)
	began, _ := j.Claims["iat"].(float64)
	for _, name := range []string{"iat", "nbf", "exp"} {
		if at, ok := j.Claims[name].(float64); ok {
			j.Claims[name] = now.Unix() + int64(at-began)
		}
	}
	j.Claims["jti"] = rand.Text()
	return j.Compact()
}
