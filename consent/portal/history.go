package portal

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
)

// historyLimit is how many entries one page of the history shows.
const historyLimit = 50

// happening is one thing that happened: a read, a change of a grant or of the
// switch for new sharing, or a look of the bank's staff. Exactly one is set.
type happening struct {
	At     time.Time
	ID     [16]byte
	Read   *audit.Record
	Change *consent.Event
	LookUp *audit.LookUp
	Switch *consent.Switching
}

// older reports whether the entry comes after a place in the history.
func (e happening) older(c audit.Cursor) bool {
	return c.At.IsZero() || cmp.Or(e.At.Compare(c.At), bytes.Compare(e.ID[:], c.RequestID[:])) < 0
}

// changeID gives a change a place among entries of the same moment.
func changeID(e consent.Event) [16]byte {
	sum := sha256.Sum256([]byte("change\n" + string(e.Grant) + "\n" + strconv.FormatInt(e.Epoch, 10)))
	return [16]byte(sum[:16])
}

// entries returns up to limit entries of a person that the filter lets through
// and that are older than the cursor, newest first. Whatever the store says,
// none is another person's.
func (p *Portal) entries(ctx context.Context, who consent.ConsumerID, k known, f audit.Filter, before audit.Cursor, limit int) ([]happening, error) {
	var all []happening
	reads, err := p.c.Reads.Find(ctx, who, f, before, limit)
	if err != nil {
		return nil, fmt.Errorf("find reads: %w", err)
	}
	for _, r := range reads {
		if r.Consumer == who {
			all = append(all, happening{At: r.At, ID: r.RequestID, Read: &r})
		}
	}
	if f.ReadsOnly() {
		return all, nil
	}
	until := before.At
	if !f.Until.IsZero() && (until.IsZero() || f.Until.Before(until)) {
		until = f.Until
	}
	// Beside what the page shows, room for others of the cursor's own moment.
	const room = 100
	changes, err := p.c.Reads.Changes(ctx, who, until, limit+room)
	if err != nil {
		return nil, fmt.Errorf("list changes: %w", err)
	}
	for _, c := range changes {
		g, mine := k.grants[c.Grant]
		if mine && (f.Recipient == "" || f.Recipient == g.Recipient) {
			all = append(all, happening{At: c.At, ID: changeID(c), Change: &c})
		}
	}
	if f.Recipient == "" {
		looks, err := p.c.Reads.LookUps(ctx, who, until, limit+room)
		if err != nil {
			return nil, fmt.Errorf("list look-ups: %w", err)
		}
		for _, l := range looks {
			if l.Consumer == who {
				all = append(all, happening{At: l.At, ID: l.ID, LookUp: &l})
			}
		}
	}
	if f.Recipient == "" && p.c.Switch != nil {
		switched, err := p.c.Switch.Switchings(ctx, who, until, limit+room)
		if err != nil {
			return nil, fmt.Errorf("list switchings: %w", err)
		}
		for _, s := range switched {
			if s.Consumer == who {
				all = append(all, happening{At: s.At, ID: s.ID, Switch: &s})
			}
		}
	}
	all = slices.DeleteFunc(all, func(e happening) bool { return !e.older(before) || !f.Within(e.At) })
	slices.SortFunc(all, func(a, b happening) int {
		return cmp.Or(b.At.Compare(a.At), bytes.Compare(b.ID[:], a.ID[:]))
	})
	return all[:min(len(all), limit)], nil
}

// known is what a person calls things.
type known struct {
	grants   map[consent.GrantID]consent.Grant
	apps     map[consent.GrantID]string // names
	accounts map[fdx.AccountID]consent.AccountChoice
	order    []fdx.AccountID // of accounts, as the bank lists them
}

// account returns name and masked number of an account.
func (k known) account(t *text, id fdx.AccountID) string {
	c, ok := k.accounts[id]
	if !ok {
		return t.T("fact.gone")
	}
	name, number := plain(c.Name, maxName), plain(c.Display, maxName)
	if number == "" || name == "" {
		return name + number
	}
	return name + " " + number
}

// app returns the name of the app that holds a grant.
func (k known) app(t *text, id consent.GrantID) string {
	if name := k.apps[id]; name != "" {
		return name
	}
	return t.T("history.unknown")
}

// historyRow is one entry on a page.
type historyRow struct {
	Time, ISO         string
	Page              string // address of its own page; empty when it has none
	App               string
	What              []string
	Accounts          []string
	More              string // how many accounts are not named
	Records, How      string
	Answer, Why, Tone string
	Note, Quote       string // what happened, for what is no read
}

// historyRows puts entries into words.
func (p *Portal) historyRows(t *text, k known, entries []happening) []historyRow {
	rows := make([]historyRow, 0, len(entries))
	for _, e := range entries {
		row := historyRow{Time: t.moment(e.At, p.c.Now()), ISO: e.At.In(t.zone).Format(time.RFC3339)}
		switch {
		case e.Read != nil:
			readWords(t, k, *e.Read, &row)
		case e.Change != nil:
			row.App, row.Note = k.app(t, e.Change.Grant), changeWords(t, *e.Change, p.c.UI.Bank())
		case e.Switch != nil:
			row.App, row.Note = t.T("filter.any_app"), t.T("switch.was_on")
			if e.Switch.Off {
				row.Note = t.T("switch.was_off")
			}
		default:
			row.App, row.Note = p.c.UI.Bank(), t.T("history.lookup", "Bank", p.c.UI.Bank())
			row.Quote = plain(e.LookUp.Reason, maxPurpose)
		}
		rows = append(rows, row)
	}
	return rows
}

// named is how many accounts a row names before it counts the others.
const named = 2

func readWords(t *text, k known, r audit.Record, row *historyRow) {
	row.Page = accessPath(r.RequestID)
	row.App, row.Records = k.app(t, r.Grant), t.Number(r.Count)
	row.How = t.T("history.background")
	if r.Attended {
		row.How = t.T("history.attended")
	}
	row.Answer, row.Why, row.Tone = answerWords(t, r)
	for _, c := range clusterRows(t, r.Clusters) {
		row.What = append(row.What, c.Label)
	}
	if len(row.What) == 0 {
		row.What = []string{operationWords(t, r.Operation)}
	}
	for i, id := range r.Accounts {
		if i == named {
			row.More = t.T("history.others", "Count", len(r.Accounts)-named)
			break
		}
		row.Accounts = append(row.Accounts, k.account(t, id))
	}
}

// answerWords says how a read ended, why, and the class of that. What is not
// known reads as refused.
func answerWords(t *text, r audit.Record) (answer, why, tone string) {
	switch r.Outcome {
	case audit.Given:
		return t.T("history.given"), "", "good"
	case audit.Clipped:
		if first := t.Day(r.Window.Start); first != "" {
			return t.T("history.clipped"), t.T("history.clipped_from", "Date", first), "warn"
		}
		return t.T("history.clipped"), "", "warn"
	}
	if r.Outcome == audit.Refused {
		why = refusalWords(t, r.Reason)
	}
	return t.T("history.refused"), why, "bad"
}

// refusalKeys are the catalogue keys for the codes with which reads are
// refused. Several codes mean the same to the person.
var refusalKeys = map[string]string{
	"401": "history.why.form", "702": "history.why.form", "703": "history.why.form",
	"1106": "history.why.form", "1203": "history.why.form", "1206": "history.why.form",
	"403": "history.why.unshared", "602": "history.why.unshared",
	"601": "history.why.person", "603": "history.why.proof",
	"701": "history.why.account", "704": "history.why.kind",
	"705": "history.why.closed", "706": "history.why.locked",
	"500": "history.why.ours", "501": "history.why.ours", "503": "history.why.ours",
	"1101": "history.why.none", "1102": "history.why.none", "1103": "history.why.none",
	"1104": "history.why.none", "1107": "history.why.none", "1108": "history.why.none",
	string(consent.RestPaused): "history.why.paused", string(consent.RestHeld): "history.why.held",
	"1207": "history.why.often", "1300": "history.why.later", "409": "history.why.ours",
}

// refusalWords says why nothing was given, "" for a code that it does not
// know.
func refusalWords(t *text, code string) string {
	if key, ok := refusalKeys[code]; ok {
		return t.T(key)
	}
	return ""
}

// operationWords names what an app asked for.
func operationWords(t *text, operation string) string {
	if key := "history.op." + operation; t.has(key) {
		return t.T(key)
	}
	return t.T("history.op.other")
}

// changeWords says what happened to a grant and who did it.
func changeWords(t *text, e consent.Event, bank string) string {
	switch {
	case e.Kind == consent.EventRevoked:
		return t.T(endedBy(consent.Grant{Status: consent.StatusRevoked, EndedBy: e.Actor}), "Bank", bank)
	case e.Actor == consent.ActorProvider && e.Kind != consent.EventReleased:
		return t.T("history.bank", "Bank", bank)
	}
	return eventRows(t, []consent.Event{e}, bank)[0].Text
}

// moment is Moment with the zone's name where that is not the present one, so
// that the hour that comes twice in autumn can be told apart.
func (t *text) moment(at, now time.Time) string {
	if name := t.Zone(at); name != t.Zone(now) {
		return t.Moment(at) + " " + name
	}
	return t.Moment(at)
}

// exact is Moment with seconds and the zone's name.
func (t *text) exact(at time.Time) string {
	return t.Date(at) + " " + at.In(t.zone).Format("15:04:05 MST")
}

func accessPath(id [16]byte) string { return historyPath + "/" + uuid.UUID(id).String() }

// parseRequestID reads the id of a read from an address, in the one form that
// accessPath writes.
func parseRequestID(s string) ([16]byte, bool) {
	id, err := uuid.Parse(s)
	return id, err == nil && id.String() == s
}

// cursorBytes is a time in microseconds and a request id.
const cursorBytes = 8 + 16

// cursorText writes a place in the history for an address. It holds nothing
// that the person cannot see, and a made-up one leads to their own reads
// only.
func cursorText(c audit.Cursor) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(c.At.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(b, c.RequestID[:]...))
}

// parseCursor reads what cursorText wrote; false for anything else.
func parseCursor(s string) (audit.Cursor, bool) {
	if len(s) != base64.RawURLEncoding.EncodedLen(cursorBytes) {
		return audit.Cursor{}, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != cursorBytes {
		return audit.Cursor{}, false
	}
	micro := int64(binary.BigEndian.Uint64(b))
	at := time.UnixMicro(micro).UTC()
	if at.Year() < 2000 || at.Year() > 9999 {
		return audit.Cursor{}, false
	}
	return audit.Cursor{At: at, RequestID: [16]byte(b[8:])}, true
}
