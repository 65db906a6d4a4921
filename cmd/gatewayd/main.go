// Command gatewayd is Headgate's resource gateway: it enforces a consumer's
// grant on every account and transaction fetch.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/headgate/headgate/cmd/internal/config"
	"github.com/headgate/headgate/cmd/internal/gatewayd"
)

func main() {
	if len(os.Args) == 2 && (os.Args[1] == "-h" || os.Args[1] == "--help") {
		fmt.Println("usage: gatewayd [CONFIG.json]\n\nSettings, each with its default and environment variable:")
		_ = config.Describe(os.Stdout, gatewayd.EnvPrefix, gatewayd.Config{}) // nothing to do about a closed pipe
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gatewayd:", err)
		os.Exit(1)
	}
}

func run() error {
	path := ""
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	var c gatewayd.Config
	if err := config.Load(path, gatewayd.EnvPrefix, os.LookupEnv, &c); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	p, err := gatewayd.New(ctx, c, log)
	if err != nil {
		return err
	}
	defer p.Close()
	socket, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	log.Info("gatewayd listens", slog.String("public", c.Public))
	return p.Run(ctx, socket)
}
