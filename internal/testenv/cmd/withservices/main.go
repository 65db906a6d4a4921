// Command withservices runs a command with one throw-away PostgreSQL cluster
// that all test binaries of the run share, and stops it afterwards.
//
//	withservices -- go test ./...
//	withservices -check postgres,redis
//
// The command finds the cluster in HEADGATE_TEST_DATABASE_URL; a value that is
// already set is left alone and nothing is started. The exit code is the
// command's. With -check it only says which of the named services are
// installed, and exits 3 if one is missing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/headgate/headgate/internal/services"
	"github.com/headgate/headgate/internal/testenv"
)

func main() {
	check := flag.String("check", "", "say which of these services are installed: postgres, redis, or both with a comma")
	flag.Parse()
	if *check != "" {
		os.Exit(checkServices(strings.Split(*check, ",")))
	}
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "withservices: no command given")
		os.Exit(2)
	}
	code, err := run(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "withservices:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// checkServices returns the exit code.
func checkServices(names []string) int {
	code := 0
	for _, name := range names {
		var found string
		var err error
		switch name {
		case "postgres":
			var b services.Binaries
			b, err = services.FindPostgres()
			found = fmt.Sprintf("PostgreSQL %s in %s", b.Version, b.Dir)
		case "redis":
			var b services.RedisBinary
			b, err = services.FindRedis()
			found = fmt.Sprintf("%s %s in %s", b.Name, b.Version, b.Path)
		default:
			err = fmt.Errorf("unknown service %q", name)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 3
			continue
		}
		fmt.Println("found", found)
	}
	return code
}

// run runs the command and returns its exit code.
func run(command []string) (code int, err error) {
	// Ctrl-C reaches the command from the terminal; we stay to clean up. A
	// signal that is sent to us alone is passed on.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)

	env := os.Environ()
	if os.Getenv(testenv.DatabaseURL) == "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		cluster, failure := testenv.StartCluster(ctx, func(line string) { fmt.Fprintln(os.Stderr, line) })
		stop()
		if failure != nil {
			return 1, failure
		}
		defer func() { err = errors.Join(err, cluster.Stop(context.Background())) }()
		env = append(env, testenv.DatabaseURL+"="+cluster.DSN("postgres"))
	}

	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-interrupts:
			if s != os.Interrupt {
				// It may be gone by now, which the next turn notices.
				_ = cmd.Process.Signal(s)
			}
		case err := <-ended:
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return max(exit.ExitCode(), 1), nil // -1 after a signal
			}
			return 0, err
		}
	}
}
