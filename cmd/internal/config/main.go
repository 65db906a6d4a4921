package config

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Main is the main function of a process that has one configuration file of
// type C: it reads the file that the command line names, if any, and runs
// until an interrupt or SIGTERM ends ctx. It ends with 1 when run fails.
func Main[C any](name, prefix string, run func(ctx context.Context, c C, log *slog.Logger) error) {
	var c C
	path := ""
	switch {
	case len(os.Args) == 2 && (os.Args[1] == "-h" || os.Args[1] == "--help"):
		fmt.Printf("usage: %s [CONFIG.json]\n\nSettings, each with its default and environment variable:\n", name)
		_ = Describe(os.Stdout, prefix, c) // nothing to do about a closed pipe
		return
	case len(os.Args) == 2:
		path = os.Args[1]
	case len(os.Args) > 2:
		fmt.Fprintf(os.Stderr, "%s: too many arguments: name one configuration file\n", name)
		os.Exit(1)
	}
	err := Load(path, prefix, os.LookupEnv, &c)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, c, slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}
