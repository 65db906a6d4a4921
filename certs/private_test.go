package certs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate/headgate/certs"
)

func TestPrivateFiles(t *testing.T) {
	t.Parallel()
	path := generated(t)
	for mode, want := range map[os.FileMode]bool{
		0o600: true, 0o400: true,
		0o640: false, 0o604: false, 0o644: false, 0o660: false, 0o620: false, 0o700: false, 0o777: false, 0o610: false,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := certs.LoadSigningKeys(path)
		if (err == nil) != want {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if err != nil && (!errors.Is(err, certs.ErrExposed) || !strings.Contains(err.Error(), "chmod 600 "+path)) {
			t.Errorf("mode %04o: the error does not name the fix: %v", mode, err)
		}
	}
	if _, err := certs.ReadPrivate(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
}

func TestWritePrivateReplaces(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, []byte("old"))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := certs.WritePrivate(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if data, err := certs.ReadPrivate(path); err != nil || string(data) != "new" {
		t.Errorf("%s, %v", data, err)
	}
	if err := certs.WritePrivate(filepath.Join(path, "below-a-file"), nil); err == nil {
		t.Error("wrote below a file")
	}
}
