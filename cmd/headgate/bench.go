package main

import (
	"context"
	"os"

	"github.com/headgate/headgate/cmd/internal/bench"
)

type benchCmd struct {
	Costs benchCostsCmd `cmd:"" default:"withargs" help:"Measure what enforcement costs, as ratios in one run; writes bench.json. This is what bench does by itself."`
	Load  benchLoadCmd  `cmd:"" help:"Read a bank at a constant rate through a gateway. Exit code: 0 every read was answered with data and recorded, 1 not."`
}

type benchCostsCmd struct {
	Home    string `help:"Folder that bench.json is written to." default:".headgate" type:"path"`
	Seconds int    `help:"Seconds per line and round." default:"3"`
	Callers int    `help:"Connections that ask at the same time." default:"64"`
}

// Run measures and prints.
func (c benchCostsCmd) Run(ctx context.Context) error {
	return bench.Run(ctx, bench.Config{Home: c.Home, Seconds: c.Seconds, Callers: c.Callers, Out: os.Stdout})
}

type benchLoadCmd struct {
	Home     string   `help:"Folder for the database while the load lasts, and for the gateway's log." default:".headgate" type:"path"`
	Rate     int      `help:"Reads a second." default:"150"`
	Seconds  int      `help:"For how long." default:"60"`
	Callers  int      `help:"Connections." default:"64"`
	Bank     string   `help:"Bank file of the bank to read; the sandbox bank when there is none." type:"existingfile" placeholder:"FILE"`
	Consumer []string `help:"Ids of people with accounts at that bank." placeholder:"ID"`
	PKDD99   string   `name:"pkdd99" help:"Folder with the files of the PKDD'99 bank, to read that one." type:"existingdir" placeholder:"DIR"`
}

// Run makes the load and prints what it came to.
func (c benchLoadCmd) Run(ctx context.Context) error {
	return bench.Load(ctx, bench.LoadConfig{
		Home: c.Home, Rate: c.Rate, Seconds: c.Seconds, Callers: c.Callers,
		Bank: c.Bank, Consumers: c.Consumer, PKDD99: c.PKDD99, Out: os.Stdout,
	})
}
