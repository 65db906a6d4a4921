package testenv

import (
	"testing"

	"github.com/headgate/headgate/internal/services"
)

// Redis returns a fresh real Redis server that ends with the test. Each test
// has a process of its own, which takes some 20 ms: a database number would
// keep keys apart, but neither channels nor scripts, and a test could not kill
// or freeze it without hurting others.
func Redis(t testing.TB) *services.Redis {
	t.Helper()
	r, err := services.StartRedis(t.Context(), services.RedisConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Kill)
	if r.Embedded() {
		t.Fatal(services.ErrNoRedis)
	}
	return r
}
