package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// restore backs the database up, stops consents and suspends a recipient,
// brings the backup back and sees that none of them lives again: B1. Another
// recipient is suspended and allowed again. It ends the life of the stack's
// data, so it comes last.
func (d *driver) restore(ctx context.Context, stops int) (finding, error) {
	f := finding{ID: "B1", What: "a restored backup brings no stopped consent and no suspended recipient back"}
	s := d.stack
	dump, load := s.postgres.tool("pg_dump"), s.postgres.tool("pg_restore")
	for _, program := range []string{dump, load} {
		if _, err := os.Stat(program); err != nil {
			f.NotRun = filepath.Base(program) + " is not installed"
			return f, nil
		}
	}
	folder := filepath.Dir(s.postgres.data) // the server's user may write there
	tool := func(path string, args ...string) error {
		t := server{name: filepath.Base(path), path: path, dir: s.dir, as: s.postgres.as, args: append(args, "-d", s.postgres.dsn(""))}
		_, err := t.run()
		return err
	}
	backup := filepath.Join(folder, "backup")
	if err := tool(dump, "-Fc", "-f", backup); err != nil {
		return f, err
	}

	var stopped []*grant
	for i := range stops {
		g := d.take()
		if g == nil {
			break
		}
		o := d.revoke(ctx, g, ways[i%len(ways)], gatewayA)
		if !o.good() {
			return f, fmt.Errorf("stop: %d %s", o.Status, o.Err)
		}
		stopped = append(stopped, g)
	}
	if len(stopped) == 0 {
		f.NotRun = "no consent is left to be stopped"
		return f, nil
	}
	suspended, lifted, held := d.twoApps()
	if lifted == nil {
		f.NotRun = "no two recipients with consents are left"
		return f, nil
	}
	for _, args := range [][]string{{"suspend", lifted.id}, {"suspend", suspended.id}, {"approve", lifted.id, "--yes"}} {
		if _, err := s.headgate(append([]string{"recipient"}, args...)...); err != nil {
			return f, err
		}
		// As two lines of the journal, not as the one that they come to.
		if err := rest(ctx, 1500*time.Millisecond); err != nil {
			return f, err
		}
	}
	// The journal has them within its second.
	if err := rest(ctx, 3*time.Second); err != nil {
		return f, err
	}
	for _, name := range []string{gatewayA, gatewayB, authzd} {
		s.procs[name].kill()
	}
	err := errors.Join(
		s.postgres.exec(ctx, "postgres", "DROP DATABASE headgate WITH (FORCE)"), s.postgres.exec(ctx, "postgres", "CREATE DATABASE headgate"))
	if err != nil {
		return f, err
	}
	if err := tool(load, "--no-owner", backup); err != nil {
		return f, err
	}
	begin := time.Now()

	// Nobody serves it as it is.
	for _, name := range []string{gatewayA, authzd} {
		if err := s.bring(name); err == nil {
			f.bad("%s serves a database that is older than the journal", name)
			s.procs[name].kill()
			continue
		}
		text, err := os.ReadFile(filepath.Join(s.dir, name+".log"))
		if err != nil {
			return f, err
		}
		if !strings.Contains(string(text), "headgate journal replay") {
			f.bad("%s ended without saying what to do", name)
		}
	}
	out, err := s.headgate("journal", "replay", s.journal())
	if err != nil {
		return f, err
	}
	f.note("%s", strings.TrimSpace(out))
	if err := s.redis.do("FLUSHALL"); err != nil {
		return f, err
	}
	for _, name := range []string{authzd, gatewayA, gatewayB} {
		if err := s.bring(name); err != nil {
			return f, err
		}
	}
	f.note("from the restored database to serving: %v", time.Since(begin).Round(time.Millisecond))
	d.forget()
	for _, g := range stopped {
		f.Trials++
		for _, instance := range gateways {
			if o := d.read(ctx, instance, g, true); o.Status != 401 {
				f.bad("consent %s, stopped after the backup, is answered %d on %s", g.id, o.Status, instance)
			}
		}
		if o := d.refresh(ctx, g); o.Yes {
			f.bad("consent %s, stopped after the backup, gets a new token", g.id)
		}
	}
	reads, given := 0, 0
	for _, g := range held {
		f.Trials++
		for _, instance := range gateways {
			reads++
			if o := d.read(ctx, instance, g, true); o.Yes || o.good() {
				given++
				f.bad("consent %s of a recipient suspended after the backup is read on %s", g.id, instance)
			}
		}
		if o := d.refresh(ctx, g); o.Yes {
			f.bad("consent %s of a recipient suspended after the backup gets a new token", g.id)
		}
	}
	f.note("%d of %d reads of a recipient that was suspended after the backup were given", given, reads)
	alive, others := 0, 0
	for _, g := range d.steady {
		if g.app == suspended {
			continue
		}
		others++
		if o := d.read(ctx, gatewayA, g, true); o.good() {
			alive++
		}
	}
	f.note("%d of %d other consents live on, those of a recipient that was suspended and allowed again among them", alive, others)
	if alive < others {
		f.bad("%d consents that nobody stopped are over", others-alive)
	}
	if given == 0 {
		// Its consents stayed: what comes after finds them as before.
		_, err = s.headgate("recipient", "approve", suspended.id, "--yes")
	}
	return f, err
}

// twoApps returns two recipients whose consents are under load and what the
// first of them holds of those; nil when there are no two.
func (d *driver) twoApps() (first, second *app, held []*grant) {
	for _, g := range d.steady {
		switch {
		case first == nil || g.app == first:
			first, held = g.app, append(held, g)
		case second == nil:
			second = g.app
		}
	}
	return first, second, held
}
