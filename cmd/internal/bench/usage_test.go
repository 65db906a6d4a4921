package bench

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	const after = ") S 7 1 1 0 -1 4194560 1 2 3 4 150 50 20 10 20 0 1 0"
	for name, text := range map[string]string{
		"plain name":            "42 (postgres" + after,
		"name with parentheses": "42 (a) S 9 (b" + after,
	} {
		got, err := parseStat([]byte(text))
		want := stat{parent: 7, cpu: 2 * time.Second, ended: 300 * time.Millisecond}
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, bad := range []string{"", "42", "42 (x", "42 (x) S 7", "42 (x) S 7 1 1 0 -1 4194560 1 2 3 4 x 50 20 10 20 0"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("took %s", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (postgres) S 7 1 1 0 -1 4194560 1 2 3 4 150 50 20 10 20 0 1 0"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := parseStat(text); err != nil && err != errStat {
			t.Error(err)
		}
	})
}

func TestUsageOfAnEndedChildIsKept(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	// A shell whose child burns a moment of CPU and has ended when the shell
	// speaks.
	cmd := exec.Command("sh", "-c", `sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; echo; read _`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	used, err := withChildren(cmd.Process.Pid)
	if err != nil || used == 0 {
		t.Errorf("%v, %v", used, err)
	}
	u, err := meter{postgres: cmd.Process.Pid, redis: os.Getpid()}.read()
	if err != nil || u.gateway == 0 || u.mallocs == 0 || u.postgres == nil || *u.postgres == 0 || u.redis == nil {
		t.Errorf("%+v, %v", u, err)
	}
	_ = in.Close()
	_ = cmd.Wait() // read at the end of its input fails
	if _, err := (meter{postgres: cmd.Process.Pid}).read(); err == nil {
		t.Error("a process that has gone is measured")
	}
}
