package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/headgate/headgate/cmd/internal/dev"
)

type devCmd struct {
	Home        string `help:"State folder; a second start uses it again." default:".headgate" type:"path"`
	PortBase    int    `help:"First of six ports in a row (issuer, pages, gateway, PostgreSQL, Redis, mutual TLS); 0 takes free ones." default:"9440"`
	Ephemeral   bool   `help:"Forget everything at the end."`
	DPoPNonces  bool   `name:"dpop-nonces" help:"Demand a nonce of ours in every DPoP proof, at both servers."`
	OneTime     int    `name:"one-time-minutes" help:"How long one-time access lasts, from 1 to 60." default:"60"`
	Metrics     bool   `help:"Offer metrics for Prometheus on free ports of this machine."`
	PostgresDSN string `help:"Use this PostgreSQL database in place of a private one." env:"HEADGATE_POSTGRES_DSN" placeholder:"DSN"`
	RedisURL    string `help:"Use this Redis in place of a private one." env:"HEADGATE_REDIS_URL" placeholder:"URL"`
}

// stopTime bounds an orderly end.
const stopTime = 30 * time.Second

// Run brings the stack up and keeps it running until it is told to end.
func (c devCmd) Run(ctx context.Context) error {
	if c.PortBase != 0 && (c.PortBase < 1024 || c.PortBase > 65530) {
		return errors.New("--port-base must be 0 or from 1024 to 65530")
	}
	stack, err := dev.Start(ctx, dev.Options{
		Home: c.Home, Ephemeral: c.Ephemeral, PortBase: c.PortBase, FreePorts: c.PortBase == 0,
		PostgresDSN: c.PostgresDSN, RedisURL: c.RedisURL, Nonces: c.DPoPNonces, OneTimeMinutes: c.OneTime, Metrics: c.Metrics,
		Say: func(s string) { fmt.Println("  " + s) },
	})
	if err != nil {
		return err
	}
	f := stack.File
	fmt.Printf(`
Headgate is ready.

  authorization server  %s
  with certificates     %s
  gateway               %s/fdx/v6
  consumer pages        %s
  mail to people        %s
  certificate authority %s (curl --cacert; nothing was added to your system)
  everything for tools  %s
  logs                  %s
`, f.Issuer, f.MTLSBase, f.GatewayBase, f.PortalURL, f.MailboxURL, f.CAFile, filepath.Join(c.Home, dev.FileName), filepath.Join(c.Home, "log"))
	for _, name := range slices.Sorted(maps.Keys(stack.Metrics)) {
		fmt.Printf("  %-21s %s\n", "metrics of "+name, stack.Metrics[name])
	}
	fmt.Println("\nPeople who can sign in:")
	for _, p := range f.Personas {
		fmt.Printf("  %-12s %-18s %s\n", p.Username, p.Password, p.About)
	}
	fmt.Println("\nPress Ctrl-C to stop.")
	err = stack.Wait(ctx)
	fmt.Fprintln(os.Stderr, "stopping ...")
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	return errors.Join(err, stack.Stop(stop))
}
