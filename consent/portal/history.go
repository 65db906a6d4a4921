package portal

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/audit"
)

// historyLimit is how many reads one page of the history shows.
const historyLimit = 50

// readRow is one read on a page.
type readRow struct {
	Time, App         string
	What              []string // labels of the data
	Accounts, Records string
	How, Answer       string
	Tone              string // class of the answer: good, warn or bad
}

// readRows puts reads into words. names are the apps by grant.
func readRows(t *text, reads []audit.Record, names map[consent.GrantID]string) []readRow {
	rows := make([]readRow, 0, len(reads))
	for _, r := range reads {
		row := readRow{
			Time: t.Moment(r.At), App: names[r.Grant],
			Accounts: t.Number(len(r.Accounts)), Records: t.Number(r.Count),
			How: t.T("history.background"), Answer: t.T("history.refused"), Tone: "bad",
		}
		if row.App == "" {
			row.App = t.T("history.unknown")
		}
		if r.Attended {
			row.How = t.T("history.attended")
		}
		switch consent.Rest(r.Reason) {
		case consent.RestPaused:
			row.Answer = t.T("history.paused")
		case consent.RestHeld:
			row.Answer = t.T("history.held")
		}
		switch r.Outcome {
		case audit.Given:
			row.Answer, row.Tone = t.T("history.given"), "good"
		case audit.Clipped:
			row.Answer, row.Tone = t.T("history.clipped"), "warn"
		}
		for _, c := range clusterRows(t, r.Clusters) {
			row.What = append(row.What, c.Label)
		}
		rows = append(rows, row)
	}
	return rows
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
