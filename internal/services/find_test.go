package services

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// install writes programs that print a version and do nothing else.
func install(t *testing.T, output string, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		script := fmt.Sprintf("#!/bin/sh\necho '%s'\n", output)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFirstSupportedPostgresIsTaken(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	clientOnly := install(t, "psql (PostgreSQL) 16.1", "psql")
	serverOnly := install(t, "postgres (PostgreSQL) 16.1", "postgres")
	old := install(t, "postgres (PostgreSQL) 14.9 (Ubuntu 14.9-0)", "postgres", "initdb")
	fifteen := install(t, "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", "postgres", "initdb")
	eighteen := install(t, "postgres (PostgreSQL) 18.4", "postgres", "initdb")
	beta := install(t, "postgres (PostgreSQL) 19beta1", "postgres", "initdb")
	silent := install(t, "hello", "postgres", "initdb")

	linked := t.TempDir()
	if err := os.Symlink(filepath.Join(eighteen, "postgres"), filepath.Join(linked, "postgres")); err != nil {
		t.Fatal(err)
	}

	for _, tc := range []struct {
		name    string
		dirs    []string
		version string
		major   int
		dir     string
		refused string // named in the error
	}{
		{name: "none at all", dirs: []string{empty, "/nonexistent"}},
		{name: "the client alone is no server", dirs: []string{clientOnly}},
		{name: "a server without initdb is of no use", dirs: []string{serverOnly}},
		{name: "fifteen is the floor", dirs: []string{empty, fifteen, eighteen}, version: "15.14", major: 15, dir: fifteen},
		{name: "an unsupported one on the way is passed over", dirs: []string{old, beta, eighteen}, version: "18.4", major: 18, dir: eighteen},
		{name: "a link leads to the real folder", dirs: []string{linked}, version: "18.4", major: 18, dir: eighteen},
		{name: "fourteen alone is refused and named", dirs: []string{old}, refused: "14.9"},
		{name: "nineteen alone is refused and named", dirs: []string{beta}, refused: "PostgreSQL 19"},
		{name: "a program without a version is refused", dirs: []string{silent}, refused: "no version"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := firstPostgres(tc.dirs)
			if tc.version == "" {
				if !errors.Is(err, ErrNoPostgres) || !strings.Contains(err.Error(), tc.refused) {
					t.Fatalf("got %+v, %v", got, err)
				}
				return
			}
			want := Binaries{Dir: tc.dir, Version: tc.version, Major: tc.major}
			if err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

func TestMissingPostgresNamesTheChoices(t *testing.T) {
	t.Parallel()
	for _, choice := range []string{"apt-get install", "brew install", "make services", "--postgres-dsn"} {
		if !strings.Contains(ErrNoPostgres.Error(), choice) {
			t.Errorf("ErrNoPostgres does not name %s", choice)
		}
	}
}

func TestPostgresIsLookedForInOrder(t *testing.T) {
	// Not parallel: changes PATH and the working directory.
	t.Setenv("PATH", "/first:relative:/second")
	checkout := t.TempDir()
	if err := os.WriteFile(filepath.Join(checkout, "go.mod"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	deep := filepath.Join(checkout, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)

	dirs := postgresFolders([]string{"/extra"})
	if !slices.Equal(dirs[:2], []string{"/first", "/second"}) {
		t.Errorf("starts with %q", dirs[:2])
	}
	cache, err := filepath.EvalSymlinks(checkout)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(cache, ".cache/postgres/bin"), "/extra"}
	if last := dirs[len(dirs)-2:]; !slices.Equal(last, want) {
		t.Errorf("ends with %q, want %q", last, want)
	}
}

func TestFirstRedisIsTaken(t *testing.T) {
	t.Parallel()
	redis := install(t, "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0", "redis-server")
	valkey := install(t, "Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=0", "valkey-server")
	broken := install(t, "", "redis-server")

	for _, tc := range []struct {
		name string
		dirs []string
		want RedisBinary
	}{
		{"none", []string{t.TempDir()}, RedisBinary{}},
		{"redis is taken before valkey", []string{valkey, redis}, RedisBinary{filepath.Join(redis, "redis-server"), "redis-server", "7.0.15"}},
		{"valkey alone will do", []string{valkey}, RedisBinary{filepath.Join(valkey, "valkey-server"), "valkey-server", "8.0.1"}},
		{"one that does not run is passed over", []string{broken, valkey}, RedisBinary{filepath.Join(valkey, "valkey-server"), "valkey-server", "8.0.1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := firstRedis(tc.dirs)
			if got != tc.want || errors.Is(err, ErrNoRedis) != (tc.want == RedisBinary{}) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}
