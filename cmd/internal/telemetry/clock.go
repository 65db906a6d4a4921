package telemetry

import (
	"context"
	"log/slog"
	"time"
)

// Database tells the time by its own clock.
type Database interface {
	// Clock returns the time at an instant between call and return, or an
	// error when it cannot be asked.
	Clock(ctx context.Context) (time.Time, error)
}

const (
	// clockEvery is how often the clocks are compared.
	clockEvery = 10 * time.Second
	// mostOff is what they may differ by. DPoP proofs and assertions from 30 s
	// ahead are accepted, so that there is time to look.
	mostOff = time.Second
)

// Clock compares the clock of this process with that of the database until ctx
// ends, at once and then every ten seconds. A difference of over a second is an
// alarm each time, and a line of the log when it begins and when it is over. It
// refuses nothing: what ends, ends by the clock of the database.
func (t *Telemetry) Clock(ctx context.Context, db Database) {
	w := clockWatch{telemetry: t, db: db, now: time.Now}
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// clockOff says what is wrong and what to do.
const clockOff = "this machine and the database differ by more than a second: set both by NTP, before good DPoP proofs and assertions are refused"

// clockWatch compares two clocks. For one goroutine.
type clockWatch struct {
	telemetry *Telemetry
	db        Database
	now       func() time.Time
	off       bool // at the last look
}

// look compares once. A database that cannot be asked says nothing, and others
// tell of that.
func (w *clockWatch) look(ctx context.Context) {
	asked := w.now()
	at, err := w.db.Clock(ctx)
	if err != nil {
		return
	}
	ahead := apart(asked, w.now(), at)
	if m := w.telemetry.metrics; m != nil {
		m.ClockAhead(ahead)
	}
	was := w.off
	w.off = ahead.Abs() > mostOff
	if w.off {
		w.telemetry.Alarm("clock")
	}
	log := w.telemetry.log.With(slog.Duration("ahead", ahead))
	switch {
	case w.off && !was:
		log.Warn("clock", slog.String("cause", clockOff))
	case was && !w.off:
		log.Info("clock agrees with the database again")
	}
}

// apart is by how much our clock is ahead of the database's, which said at
// between two times of ours; negative is behind, and 0 what the time that the
// question took explains.
func apart(asked, answered, at time.Time) time.Duration {
	// Without the monotonic reading: the clocks are compared, not the time
	// that has passed.
	asked, answered = asked.Round(0), answered.Round(0)
	switch {
	case asked.After(at):
		return asked.Sub(at)
	case answered.Before(at):
		return answered.Sub(at)
	}
	return 0
}
