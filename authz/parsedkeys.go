package authz

import (
	"sync"

	"github.com/headgate/headgate/certs"
)

// What is kept of parsed key sets, about 10 MiB at most.
const (
	mostKeySets    = 256
	longestKeySet  = 16 << 10 // bytes; longer ones are parsed each time
	keySetsDropped = mostKeySets / 4
)

// parsedKeys keeps the key sets that clients are registered with, parsed: a
// resource server that asks by certificate costs more for its keys than for
// its question otherwise. They are found by the very bytes of the
// registration, so that a changed one is never mixed up with what it was, and
// whether a client may act is not decided here. Safe for concurrent use; what
// it returns must not be changed.
type parsedKeys struct {
	mu   sync.RWMutex // guards sets
	sets map[string]certs.JWKS
}

// parse returns the key set in raw.
func (p *parsedKeys) parse(raw []byte) (certs.JWKS, error) {
	p.mu.RLock()
	keys, ok := p.sets[string(raw)]
	p.mu.RUnlock()
	if ok {
		return keys, nil
	}
	keys, err := certs.ParseJWKS(raw)
	if err != nil || len(raw) > longestKeySet {
		return keys, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sets) >= mostKeySets {
		dropped := 0
		for old := range p.sets { // any: the next question parses it again
			if delete(p.sets, old); dropped == keySetsDropped {
				break
			}
			dropped++
		}
	}
	if p.sets == nil {
		p.sets = make(map[string]certs.JWKS)
	}
	p.sets[string(raw)] = keys
	return keys, nil
}
