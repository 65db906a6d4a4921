package logintest_test

import (
	"testing"

	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/login/logintest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	logintest.Stores(t, func(*testing.T) logintest.Store { return &logintest.Memory{} })
}

func TestPasskeyMemory(t *testing.T) {
	t.Parallel()
	logintest.PasskeyStores(t, func(*testing.T) login.PasskeyStore { return &logintest.PasskeyMemory{} })
}
