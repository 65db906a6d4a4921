package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/headgate/headgate/cmd/internal/bench"
)

type benchCmd struct {
	Costs  benchCostsCmd  `cmd:"" default:"withargs" help:"Measure what enforcement costs, as ratios in one run; writes bench.json. This is what bench does by itself."`
	Report benchReportCmd `cmd:"" help:"Write tables and charts of a run into a document, in place of those that it has."`
	Load   benchLoadCmd   `cmd:"" help:"Read a bank at a constant rate through a gateway. Exit code: 0 every read was answered with data and recorded, 1 not."`
}

type benchCostsCmd struct {
	Home    string   `help:"Folder that bench.json is written to." default:".headgate" type:"path"`
	Seconds int      `help:"Seconds per line and round." default:"1"`
	Callers int      `help:"Connections that ask at the same time." default:"64"`
	Only    []string `help:"Measure lines whose names begin so, with what they are compared with." placeholder:"PREFIX"`
	Scale   float64  `help:"Size of the bank of the lines about growth; 1 is a million grants and ten million access records, and takes seven minutes to make on two cores. 0 leaves them out." default:"0.02"`
	Lanes   int      `help:"Lanes of the gate behind reads; 0 is what the gateway has."`
	Profile string   `help:"Folder for a CPU profile of the gateway for each line." type:"path" placeholder:"DIR"`
	Into    string   `help:"Document to write tables and charts into, as bench report does." type:"existingfile" placeholder:"FILE"`
}

// Run measures and prints.
func (c benchCostsCmd) Run(ctx context.Context) error {
	err := bench.Run(ctx, bench.Config{
		Home: c.Home, Seconds: c.Seconds, Callers: c.Callers, Only: c.Only, Scale: c.Scale, Lanes: c.Lanes, Profile: c.Profile, Out: os.Stdout,
	})
	if err != nil || c.Into == "" {
		return err
	}
	return bench.Publish(filepath.Join(c.Home, bench.FileName), c.Into)
}

type benchReportCmd struct {
	From string `help:"The bench.json of the run." type:"existingfile" default:".headgate/bench.json"`
	Into string `help:"The document." type:"existingfile" default:"docs/performance.md"`
}

// Run writes.
func (c benchReportCmd) Run() error { return bench.Publish(c.From, c.Into) }

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
