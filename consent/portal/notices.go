package portal

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
)

// noticesLimit is how many notices one page shows.
const noticesLimit = 20

// noticeRow is one notice in words.
type noticeRow struct {
	ID, ReadID, Mark string
	Title, Text      string
	Topic            string
	Time             string
	Page             string // of the grant; empty when it is about none
	New, Fixed       bool
}

// say puts a notice into words: a title of one line, and what it means.
func (p *Portal) say(t *text, n inbox.Notice) (title, body string) {
	app := plain(n.App, maxName)
	if app == "" {
		app = t.T("problem.app")
	}
	key, count := "notice."+string(n.Kind), n.Kind.Days()
	switch {
	case count > 0:
		key = "notice.ending"
	case n.Kind == inbox.Unused:
		count = cmp.Or(n.Days, unusedDays)
	case !slices.Contains(inbox.Kinds(), n.Kind):
		key = "notice.other"
	}
	pairs := []any{"App", app, "Date", t.Date(n.EndsAt), "Bank", p.c.UI.Bank()}
	body = t.T(key+".text", pairs...)
	if count > 0 {
		pairs = append(pairs, "Count", count)
	}
	title = t.T(key+".title", pairs...)
	if n.Kind == inbox.Stopped {
		by := endedBy(consent.Grant{Status: consent.StatusRevoked, EndedBy: n.Actor})
		body = t.join(t.T(by, "Bank", p.c.UI.Bank()), body)
	}
	return title, body
}

// join puts sentences behind each other.
func (t *text) join(a, b string) string {
	if t.Lang == "zh" {
		return a + b
	}
	return a + " " + b
}

// placeBytes is a time in microseconds and a notice id.
const placeBytes = 8 + 16

// placeText writes a place in an inbox for an address. A made-up one leads to
// the person's own notices only.
func placeText(at inbox.Place) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(at.At.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(b, at.ID[:]...))
}

// parsePlace reads what placeText wrote; false for anything else.
func parsePlace(s string) (inbox.Place, bool) {
	if len(s) != base64.RawURLEncoding.EncodedLen(placeBytes) {
		return inbox.Place{}, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != placeBytes {
		return inbox.Place{}, false
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	if at.Year() < 2000 || at.Year() > 9998 {
		return inbox.Place{}, false
	}
	return inbox.Place{At: at, ID: inbox.NoticeID(b[8:])}, true
}
