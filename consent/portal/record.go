package portal

import (
	"archive/zip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/consent/receipt"
)

// recordFormat names the form of the file. It changes when a reader of the
// form before could misread the new one. docs/record.schema.json describes it.
const recordFormat = "headgate-record-1"

// recordPart is a part of a person's record that they can ask for.
type recordPart string

// The parts, in the order in which a file has them.
const (
	partGrants   recordPart = "grants"
	partReceipts recordPart = "receipts"
	partHistory  recordPart = "history"
	partNotices  recordPart = "notices"
	partPasskeys recordPart = "passkeys"
)

// recordGrant is a grant as a file holds it. Names and order are a contract
// with whoever reads the files, here as in the types below. It holds nothing
// that opens anything and no id of an account.
type recordGrant struct {
	ID           string          `json:"id"`
	App          string          `json:"app"`
	LegalName    string          `json:"legalName"`
	Status       string          `json:"status"` // at the time of the export
	Purpose      string          `json:"purpose"`
	Data         []string        `json:"data"`
	Accounts     []string        `json:"accounts"`
	LookbackDays int             `json:"lookbackDays"`
	Duration     string          `json:"duration"`
	Created      time.Time       `json:"created"`
	Ends         time.Time       `json:"ends"`
	Ended        *time.Time      `json:"ended"` // null while it goes on
	EndedBy      string          `json:"endedBy"`
	PausedUntil  *time.Time      `json:"pausedUntil"`
	HeldSince    *time.Time      `json:"heldSince"`
	Case         string          `json:"case"`
	Shown        recordShown     `json:"shown"`
	Changes      []recordEvent   `json:"changes"`
	events       []consent.Event // the changes, for pages
}

// recordShown is the text that the person agreed to.
type recordShown struct {
	Version string `json:"version"`
	Locale  string `json:"locale"`
	Text    string `json:"text"`
}

// recordEvent is one change of a grant.
type recordEvent struct {
	Version int64     `json:"version"`
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"`
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
}

// recordReceipt is a receipt with its signature.
type recordReceipt struct {
	Number  string          `json:"number"`
	Code    string          `json:"code"`
	JWS     string          `json:"jws"`
	Receipt receipt.Receipt `json:"receipt"`
}

// recordNotice is something that the person was told.
type recordNotice struct {
	Time  time.Time `json:"time"`
	Kind  string    `json:"kind"`
	App   string    `json:"app"`
	Title string    `json:"title"`
	Text  string    `json:"text"`
	Read  bool      `json:"read"`
}

// recordPasskey is a passkey as people see it.
type recordPasskey struct {
	Name    string     `json:"name"`
	Created time.Time  `json:"created"`
	Used    *time.Time `json:"used"` // the last time; null when never
}

// when returns nil for no time.
func when(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

// recordGrant puts a grant into the form of a file.
func (p *Portal) recordGrant(t *text, k known, g consent.Grant, events []consent.Event) recordGrant {
	app := recipientOf(t, g.Parties)
	now := p.c.Now()
	x := recordGrant{
		ID: string(g.ID), App: app.Name, LegalName: app.RegisteredEntityName, Status: string(g.StatusAt(now)),
		Purpose: g.Purpose, Data: []string{}, Accounts: []string{}, LookbackDays: g.LookbackDays, Duration: string(g.Duration),
		Created: g.CreatedAt.UTC(), Ends: g.ExpiresAt.UTC(), EndedBy: string(g.EndedBy), events: events,
		Shown: recordShown{g.Disclosure.Version, g.Disclosure.Locale, g.Disclosure.Text}, Changes: []recordEvent{},
	}
	for _, c := range clusterRows(t, g.Clusters()) {
		x.Data = append(x.Data, c.Label)
	}
	for _, id := range g.Accounts() {
		x.Accounts = append(x.Accounts, k.account(t, id))
	}
	if g.StatusAt(now) != consent.StatusActive {
		x.Ended = when(endOf(g))
		if x.EndedBy == "" {
			x.EndedBy = string(consent.ActorTime) // not written down yet
		}
	} else {
		switch g.RestAt(now) {
		case consent.RestPaused:
			x.PausedUntil = when(g.PausedUntil)
		case consent.RestHeld:
			x.HeldSince, x.Case = when(g.HeldAt), g.Case
		}
	}
	for _, e := range events {
		x.Changes = append(x.Changes, recordEvent{e.Epoch, e.At.UTC(), string(e.Kind), string(e.Actor), string(e.Reason)})
	}
	return x
}

// recordNotice puts a notice into the form of a file.
func (p *Portal) recordNotice(t *text, n inbox.Notice) recordNotice {
	x := recordNotice{Time: n.At.UTC(), Kind: string(n.Kind), App: plain(n.App, maxName), Read: n.Read}
	x.Title, x.Text = p.say(t, n)
	return x
}

// recordFile writes a record, part by part and item by item.
type recordFile interface {
	// begin writes what comes before the parts.
	begin(bank string, made time.Time, parts []recordPart) error
	// part begins a part; the one before is over.
	part(recordPart) error
	// item writes one item of the part: a recordGrant, a recordReceipt, an
	// exported, a recordNotice or a recordPasskey.
	item(any) error
	// end writes what comes after the parts.
	end() error
	// flush sends what was written, as far as the form allows.
	flush() error
}

// recordJSON writes one JSON object.
type recordJSON struct {
	to         io.Writer
	open, next bool // a part is open; it has an item
}

func (j *recordJSON) begin(bank string, made time.Time, parts []recordPart) error {
	b, err := json.Marshal(struct {
		Format string       `json:"format"`
		Made   time.Time    `json:"made"`
		Bank   string       `json:"bank"`
		Parts  []recordPart `json:"parts"`
	}{recordFormat, made.UTC(), bank, parts})
	if err == nil {
		_, err = j.to.Write(b[:len(b)-1]) // without the closing brace
	}
	return err
}

func (j *recordJSON) part(name recordPart) error {
	s := ",\n" + strconv.Quote(string(name)) + ":["
	if j.open {
		s = "]" + s
	}
	j.open, j.next = true, false
	_, err := io.WriteString(j.to, s)
	return err
}

func (j *recordJSON) item(x any) error {
	b, err := json.Marshal(x)
	if err != nil {
		return err
	}
	if j.next {
		b = append([]byte(",\n"), b...)
	}
	j.next = true
	_, err = j.to.Write(b)
	return err
}

// The last member says that nothing is missing: a file that was cut off is not
// JSON, and one that was mended by hand lacks it.
func (j *recordJSON) end() error {
	s := ",\n\"complete\":true}\n"
	if j.open {
		s = "]" + s
	}
	_, err := io.WriteString(j.to, s)
	return err
}

func (j *recordJSON) flush() error { return nil }

// recordZip writes a ZIP archive with a CSV file (RFC 4180) for each part.
type recordZip struct {
	to   *zip.Writer
	made time.Time
	rows *csv.Writer
}

func newRecordZip(to io.Writer) *recordZip { return &recordZip{to: zip.NewWriter(to)} }

func (z *recordZip) begin(_ string, made time.Time, _ []recordPart) error {
	z.made = made
	return nil
}

// recordColumns are the first rows of the files.
var recordColumns = map[recordPart][]string{
	partGrants: {
		"id", "app", "legalName", "status", "purpose", "data", "accounts", "lookbackDays", "duration", "created", "ends",
		"ended", "endedBy", "pausedUntil", "heldSince", "case", "shownVersion", "shownLocale", "shownText", "changes",
	},
	partReceipts: {"number", "code", "time", "event", "app", "jws"},
	partHistory:  csvColumns,
	partNotices:  {"time", "kind", "app", "title", "text", "read"},
	partPasskeys: {"name", "created", "used"},
}

func (z *recordZip) part(name recordPart) error {
	if err := z.flush(); err != nil {
		return err
	}
	w, err := z.to.CreateHeader(&zip.FileHeader{Name: string(name) + ".csv", Method: zip.Deflate, Modified: z.made.UTC()})
	if err != nil {
		return err
	}
	// Without a byte order mark spreadsheets take UTF-8 for something else.
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	z.rows = csv.NewWriter(w)
	z.rows.UseCRLF = true
	return z.rows.Write(recordColumns[name])
}

func (z *recordZip) item(x any) error {
	var cells []string
	switch x := x.(type) {
	case recordGrant:
		cells = []string{
			x.ID, x.App, x.LegalName, x.Status, x.Purpose, strings.Join(x.Data, "; "), strings.Join(x.Accounts, "; "),
			strconv.Itoa(x.LookbackDays), x.Duration, stamp(&x.Created), stamp(&x.Ends), stamp(x.Ended), x.EndedBy,
			stamp(x.PausedUntil), stamp(x.HeldSince), x.Case, x.Shown.Version, x.Shown.Locale, x.Shown.Text, "",
		}
		var changes []string
		for _, e := range x.Changes {
			changes = append(changes, strings.Join([]string{stamp(&e.Time), e.Kind, e.By}, " "))
		}
		cells[len(cells)-1] = strings.Join(changes, "; ")
	case recordReceipt:
		at := time.Unix(x.Receipt.At, 0)
		cells = []string{x.Number, x.Code, stamp(&at), string(x.Receipt.Event), partyNamed(x.Receipt.Parties), x.JWS}
	case exported:
		cells = x.cells()
	case recordNotice:
		cells = []string{stamp(&x.Time), x.Kind, x.App, x.Title, x.Text, strconv.FormatBool(x.Read)}
	case recordPasskey:
		cells = []string{x.Name, stamp(&x.Created), stamp(x.Used)}
	default:
		return fmt.Errorf("portal: no row for a %T", x)
	}
	for i := range cells {
		cells[i] = harmless(cells[i])
	}
	return z.rows.Write(cells)
}

// stamp writes a time for a file, "" for none.
func stamp(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// partyNamed returns the name of the app among the parties.
func partyNamed(parties []consent.Party) string {
	for _, one := range parties {
		if one.Type == consent.PartyRecipient {
			return plain(one.Name, maxName)
		}
	}
	return ""
}

func (z *recordZip) end() error {
	if err := z.flush(); err != nil {
		return err
	}
	return z.to.Close()
}

func (z *recordZip) flush() error {
	if z.rows == nil {
		return nil
	}
	z.rows.Flush()
	if err := z.rows.Error(); err != nil {
		return err
	}
	return z.to.Flush()
}
