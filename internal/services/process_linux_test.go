package services

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

const crashDir = "HEADGATE_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		serveUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// serveUntilKilled is the process that TestKilledParentLeavesNoChild kills.
func serveUntilKilled(dir string) {
	b, err := FindPostgres()
	if err != nil {
		panic(err)
	}
	p, err := StartPostgres(context.Background(), PostgresConfig{Binaries: b, Dir: dir, Durable: true})
	if err != nil {
		panic(err)
	}
	r, err := StartRedis(context.Background(), RedisConfig{})
	if err != nil {
		panic(err)
	}
	fmt.Println(p.PID(), r.PID())
	select {}
}

func TestKilledParentLeavesNoChild(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), crashDir+"="+dir)
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer parent.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var postgres, redis int
	if _, err := fmt.Sscan(line, &postgres, &redis); err != nil || postgres <= 1 || redis <= 1 {
		t.Fatalf("the process said %q: %v", line, err)
	}
	for _, pid := range []int{postgres, redis} {
		if !runs(pid) {
			t.Fatalf("server %d does not run", pid)
		}
	}

	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	parent.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, pid := range []int{postgres, redis} {
		if err := poll(ctx, 20*time.Millisecond, func() (bool, error) { return !runs(pid), nil }); err != nil {
			t.Errorf("server %d outlived the process that started it", pid)
		}
	}

	p := startCluster(t, PostgresConfig{Dir: dir, Durable: true})
	if got := query(t, p, "SELECT 1"); got != "1" {
		t.Errorf("start after the crash: %q", got)
	}
}

// runs reports whether a process is alive. Nobody may have collected it yet,
// so that kill(2) would still find it; a zombie has no command line.
func runs(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && len(text) > 0
}
