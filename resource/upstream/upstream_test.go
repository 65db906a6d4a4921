package upstream_test

import (
	"testing"

	"github.com/headgate/headgate/resource/resourcetest"
)

func TestKeepsTheContract(t *testing.T) {
	t.Parallel()
	t.Run("FDX with mutual TLS", func(t *testing.T) {
		t.Parallel()
		s := newSimulator(t, false, false)
		resourcetest.Provider(t, s.fixture(provider(t, s.mutual(t, s.config()))))
	})
	t.Run("FDX with client credentials", func(t *testing.T) {
		t.Parallel()
		s := newSimulator(t, true, false)
		resourcetest.Provider(t, s.fixture(provider(t, s.oauth(t, s.config()))))
		if s.issued != 1 {
			t.Errorf("%d tokens for one run", s.issued)
		}
	})
	t.Run("a form of its own with mutual TLS", func(t *testing.T) {
		t.Parallel()
		s := newSimulator(t, false, true)
		c, err := s.ownConfig()
		if err != nil {
			t.Fatal(err)
		}
		resourcetest.Provider(t, s.fixture(provider(t, s.mutual(t, c))))
	})
}
