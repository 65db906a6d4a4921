package main

import (
	"context"
	"os"

	"github.com/headgate/headgate/cmd/internal/bench"
)

type benchCmd struct {
	Home    string `help:"Folder that bench.json is written to." default:".headgate" type:"path"`
	Seconds int    `help:"Seconds per line and round." default:"3"`
	Callers int    `help:"Connections that ask at the same time." default:"64"`
}

// Run measures and prints.
func (c benchCmd) Run(ctx context.Context) error {
	return bench.Run(ctx, bench.Config{Home: c.Home, Seconds: c.Seconds, Callers: c.Callers, Out: os.Stdout})
}
