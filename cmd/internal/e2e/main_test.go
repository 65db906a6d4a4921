package e2e

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/postgres"
	"github.com/headgate/headgate/internal/testenv"
	"github.com/headgate/headgate/resource/sandbox"
)

// env makes databases with both schemas and the personas of today.
var env = testenv.New(testenv.Config{Version: schema(), Migrate: migrate})

func schema() string {
	own, err := postgres.Schema()
	if err != nil {
		panic(err)
	}
	bank := sha256.New()
	files, err := filepath.Glob("../../../resource/sandbox/migrations/*.sql")
	if err != nil || len(files) == 0 {
		panic("the bank's migrations are not where they were")
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			panic(err)
		}
		bank.Write(text)
	}
	return fmt.Sprintf("e2e %s %x %s", own, bank.Sum(nil), time.Now().UTC().Format(time.DateOnly))
}

func migrate(ctx context.Context, dsn string) error {
	if err := errors.Join(postgres.Migrate(ctx, dsn), sandbox.Migrate(ctx, dsn)); err != nil {
		return err
	}
	bank, err := sandbox.Open(ctx, dsn)
	if err != nil {
		return err
	}
	defer bank.Close()
	_, err = sandbox.Seed(ctx, bank, time.Now())
	return err
}

func TestMain(m *testing.M) {
	code := env.Main(m)
	if binaryDir != "" {
		_ = os.RemoveAll(binaryDir)
	}
	os.Exit(code)
}

// rounds returns how often to repeat what is left to chance.
func rounds(normal int) int {
	n, err := strconv.Atoi(os.Getenv("HEADGATE_E2E_ROUNDS"))
	if err != nil || n < 1 {
		n = 1
	}
	return normal * n
}

// binaryDir is written once, by binary, before TestMain reads it.
var binaryDir string

// binary builds the program once for all tests that run it as a process. Its
// folder can be entered by every user, because one test is another user.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := publicDir("")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	path := filepath.Join(dir, "headgate")
	build := exec.Command("go", "build", "-tags", "nomsgpack", "-o", path, "github.com/headgate/headgate/cmd/headgate")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build headgate: %w\n%s", err, out)
	}
	return path, os.Chmod(path, 0o755)
})

// publicDir makes a temporary folder that every user may enter.
func publicDir(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "headgate-e2e-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
