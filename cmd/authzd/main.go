// Command authzd is Headgate's authorization server: it takes pushed
// requests, lets consumers decide, and issues scoped, expiring grants.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/headgate/headgate/cmd/internal/authzd"
	"github.com/headgate/headgate/cmd/internal/config"
)

func main() {
	if len(os.Args) == 2 && (os.Args[1] == "-h" || os.Args[1] == "--help") {
		fmt.Println("usage: authzd [CONFIG.json]\n\nSettings, each with its default and environment variable:")
		_ = config.Describe(os.Stdout, authzd.EnvPrefix, authzd.Config{}) // nothing to do about a closed pipe
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "authzd:", err)
		os.Exit(1)
	}
}

func run() error {
	path := ""
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	var c authzd.Config
	if err := config.Load(path, authzd.EnvPrefix, os.LookupEnv, &c); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	p, err := authzd.New(ctx, c, log)
	if err != nil {
		return err
	}
	defer p.Close()
	protocol, err := net.Listen("tcp", c.ListenProtocol)
	if err != nil {
		return err
	}
	browser, err := net.Listen("tcp", c.ListenBrowser)
	if err != nil {
		_ = protocol.Close()
		return err
	}
	log.Info("authzd listens", slog.String("issuer", c.Issuer), slog.String("pages", c.BrowserBase))
	return p.Run(ctx, protocol, browser)
}
