package portal

import (
	"context"
	"time"

	"github.com/headgate/headgate/consent"
)

// Rests lets a grant rest for the person who gave it, and ends its rest.
// *consent.Service is one; what it promises about reads that start later holds
// once a method has returned nil.
type Rests interface {
	// PauseByConsumer is as in consent.Service.
	PauseByConsumer(ctx context.Context, who consent.ConsumerID, id consent.GrantID, until time.Time) (consent.Grant, error)
	// ResumeByConsumer is as in consent.Service.
	ResumeByConsumer(ctx context.Context, who consent.ConsumerID, id consent.GrantID) (consent.Grant, error)
	// HoldByConsumer is as in consent.Service.
	HoldByConsumer(ctx context.Context, who consent.ConsumerID, id consent.GrantID) (consent.Grant, error)
	// ReleaseByConsumer is as in consent.Service.
	ReleaseByConsumer(ctx context.Context, who consent.ConsumerID, id consent.GrantID) (consent.Grant, error)
}

// Rules are what the law or the bank leaves to a person on these pages.
type Rules interface {
	// PauseDays is the longest pause in days, at most 30; 0 when sharing
	// cannot be paused.
	PauseDays() int
	// RecordDays is for how many days after its end the record of a grant has
	// to be kept.
	RecordDays(g consent.Grant) int
	// UnusedDays is after how many days without a read a page says that a
	// grant is not used.
	UnusedDays(g consent.Grant) int
	// Languages are those in which the words that are agreed to may be, the
	// usual one first, and one of them to which the others link ("" to none).
	Languages() (all []string, also string)
	// TakeOut is whether people may take accounts, and data, out of what they
	// share without the app asking.
	TakeOut() (accounts, data bool)
}

// anyRules are the rules where none are set.
type anyRules struct{}

func (anyRules) PauseDays() int { return maxPauseDays }

func (anyRules) TakeOut() (accounts, data bool) { return true, true }

func (anyRules) RecordDays(consent.Grant) int { return 5 * 365 }

func (anyRules) UnusedDays(consent.Grant) int { return unusedDays }

func (anyRules) Languages() (all []string, also string) { return languages, "" }

const maxPauseDays = int(consent.MaxPause / (24 * time.Hour))

// pauseDay is one way to pause: for so many days, until the beginning of a
// day.
type pauseDay struct {
	Days   int
	ID     string // element id
	Value  string
	Until  time.Time
	Text   string
	Ends   string
	Chosen bool
}

// startOf is the first instant of the day that comes days after the day of
// now, at the bank. What is longer than so many times 24 hours, as in the week
// in which the clocks go back, is cut, because the longest pause is measured
// in hours.
func (p *Portal) startOf(now time.Time, days int) time.Time {
	at := now.In(p.c.Zone)
	start := time.Date(at.Year(), at.Month(), at.Day()+days, 0, 0, 0, 0, p.c.Zone)
	if limit := now.Add(time.Duration(days) * 24 * time.Hour); start.After(limit) {
		start = limit
	}
	return start.UTC().Truncate(time.Second)
}

// lastPauseDay is how many days from today a pause of g may end at most, as if
// it did not rest; 0 when it cannot be paused.
func (p *Portal) lastPauseDay(g consent.Grant, now time.Time) int {
	if g.StatusAt(now) != consent.StatusActive {
		return 0
	}
	days := min(p.c.Rules.PauseDays(), maxPauseDays)
	for days > 0 && !p.startOf(now, days).Before(g.ExpiresAt) {
		days--
	}
	return max(0, days)
}

// pauseDays are the ways to pause that are offered.
func (p *Portal) pauseDays(t *text, g consent.Grant, now time.Time) []pauseDay {
	var all []pauseDay
	most := p.lastPauseDay(g, now)
	for _, c := range []struct {
		days      int
		id, value string
	}{{7, "pause_7", "7"}, {14, "pause_14", "14"}, {30, "pause_30", "30"}} {
		if c.days > most {
			continue
		}
		until := p.startOf(now, c.days)
		all = append(all, pauseDay{
			Days: c.days, ID: c.id, Value: c.value, Until: until,
			Text: t.T("fact.days", "Count", c.days), Ends: t.T("pause.until", "Date", t.Date(until)),
		})
	}
	return all
}

// dayForm is how a date field of a form writes a day.
const dayForm = "2006-01-02"

// pauseUntil reads when a pause is to end. offered is false for a form that is
// not ours; the time is zero when the day that was chosen is none that a pause
// can end on.
func (p *Portal) pauseUntil(choice, day string, g consent.Grant, days []pauseDay, now time.Time) (until time.Time, offered bool) {
	for _, d := range days {
		if d.Value == choice {
			return d.Until, true
		}
	}
	switch choice {
	case "":
		return time.Time{}, true
	case "date":
	default:
		return time.Time{}, false
	}
	if len(day) != len(dayForm) {
		return time.Time{}, true
	}
	if _, err := time.Parse(dayForm, day); err != nil {
		return time.Time{}, true
	}
	for n := 1; n <= p.lastPauseDay(g, now); n++ {
		at := now.In(p.c.Zone)
		if time.Date(at.Year(), at.Month(), at.Day()+n, 12, 0, 0, 0, p.c.Zone).Format(dayForm) == day {
			return p.startOf(now, n), true
		}
	}
	return time.Time{}, true
}

// Told says how far an app has got to know that sharing ended.
type Told interface {
	// Told returns the state for one version of a grant.
	Told(ctx context.Context, id consent.GrantID, epoch int64) (ToldState, error)
}

// ToldState is how far a message has got.
type ToldState string

// The states of a message.
const (
	ToldDelivered ToldState = "delivered"
	ToldRetrying  ToldState = "retrying"
	// ToldNobody: the app did not ask to be told. It learns of the end when it
	// reads the next time.
	ToldNobody ToldState = "not_subscribed"
)

// told says in words how far the app has been told. What is not known is said
// in general words: it must not keep anybody from the page.
func (p *Portal) told(ctx context.Context, t *text, g consent.Grant, app string) (string, error) {
	general := t.T("told.tell", "App", app)
	if p.c.Told == nil {
		return general, nil
	}
	state, err := p.c.Told.Told(ctx, g.ID, g.Epoch)
	if err != nil {
		return general, err
	}
	switch state {
	case ToldDelivered:
		return t.T("told.delivered", "App", app), nil
	case ToldRetrying:
		return t.T("told.retrying", "App", app), nil
	case ToldNobody:
		return t.T("told.nobody", "App", app), nil
	}
	return general, nil
}

// receipt returns the address of the receipt for the present version of a
// grant, "" when its end has not been written down yet.
func (p *Portal) receipt(g consent.Grant) string {
	if g.StatusAt(p.c.Now()) != g.Status {
		return ""
	}
	return receiptPath(g.ID, g.Epoch)
}

// Instant writes a time to the second, in UTC, so that it can be compared with
// what an app says.
func (t *text) Instant(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02 15:04:05 UTC")
}
