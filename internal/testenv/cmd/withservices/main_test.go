package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/testenv"
)

func TestExitCodeIsTheCommands(t *testing.T) {
	// Not parallel: changes the environment. A server that nobody connects to
	// will do here.
	t.Setenv(testenv.DatabaseURL, "postgres://127.0.0.1:1/postgres")
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 1} {
		if got, err := run([]string{"sh", "-c", script}); got != want || err != nil {
			t.Errorf("%s: got %d, %v", script, got, err)
		}
	}
	if got, err := run([]string{"/nonexistent"}); got == 0 || err == nil {
		t.Errorf("a command that is not there: got %d, %v", got, err)
	}
}

func TestCommandFindsTheServerAndTheServerEnds(t *testing.T) {
	// Not parallel: changes the environment.
	t.Setenv(testenv.DatabaseURL, "")
	file := filepath.Join(t.TempDir(), "url")
	t.Setenv("FILE", file)
	code, err := run([]string{"sh", "-c", `printf %s "$HEADGATE_TEST_DATABASE_URL" > "$FILE"`})
	if code != 0 || err != nil {
		t.Fatalf("got %d, %v", code, err)
	}
	url, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, folder, found := strings.Cut(string(url), "host=")
	if !found {
		t.Fatalf("the command saw %q", url)
	}
	folder = strings.ReplaceAll(strings.Split(folder, "&")[0], "%2F", "/")
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("the socket folder %s after the run: %v", folder, err)
	}
}

func TestTerminationIsPassedOn(t *testing.T) {
	// Not parallel: changes the environment and signals this process.
	t.Setenv(testenv.DatabaseURL, "postgres://127.0.0.1:1/postgres")
	file := filepath.Join(t.TempDir(), "ready")
	t.Setenv("FILE", file)
	go func() {
		for range time.Tick(10 * time.Millisecond) {
			if _, err := os.Stat(file); err == nil {
				syscall.Kill(os.Getpid(), syscall.SIGTERM)
				return
			}
		}
	}()
	code, err := run([]string{"sh", "-c", `trap 'exit 9' TERM; : > "$FILE"; while :; do sleep 0.05; done`})
	if code != 9 || err != nil {
		t.Errorf("got %d, %v", code, err)
	}
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	// Not parallel: hides every Redis by PATH and working directory.
	if code := checkServices([]string{"postgres", "redis"}); code != 0 {
		t.Errorf("all installed: exit code %d", code)
	}
	t.Setenv("PATH", t.TempDir())
	t.Chdir(t.TempDir())
	if code := checkServices([]string{"redis"}); code != 3 {
		t.Errorf("no Redis: exit code %d", code)
	}
	if code := checkServices([]string{"mysql"}); code == 0 {
		t.Error("an unknown service was found")
	}
}
