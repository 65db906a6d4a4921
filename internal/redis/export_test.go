package redis

import "time"

// OpenPatient opens a cache that waits long enough for a busy machine, for
// tests that are about what it does and not about how long it takes.
func OpenPatient(c Config) (*Cache, error) {
	return open(c, limits{pool: time.Minute, dial: time.Minute, io: time.Minute})
}
