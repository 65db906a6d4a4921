package portal

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// exportLimit is the most entries that one file holds.
const exportLimit = 50_000

// exported is one entry as a file holds it. Names and order are a contract
// with whoever reads the files.
type exported struct {
	Time        time.Time  `json:"time"` // UTC
	LocalTime   string     `json:"localTime"`
	Kind        string     `json:"kind"` // read, change or lookup
	App         string     `json:"app"`
	Data        []string   `json:"data"`
	Accounts    []string   `json:"accounts"`
	Records     int        `json:"records"`
	Bytes       int        `json:"bytes"`
	Attended    bool       `json:"attended"`
	Answer      string     `json:"answer"`
	Why         string     `json:"why"`
	Asked       string     `json:"asked"`
	RequestID   *uuid.UUID `json:"requestId"` // null for what is no read
	Interaction string     `json:"interactionId"`
}

// exportEntry puts an entry into the form of a file.
func (p *Portal) exportEntry(t *text, k known, e happening) exported {
	row := p.historyRows(t, k, []happening{e})[0]
	x := exported{
		Time: e.At.UTC(), LocalTime: row.ISO, App: row.App, Kind: "change",
		Data: []string{}, Accounts: []string{}, Asked: strings.TrimSpace(row.Note + " " + row.Quote),
	}
	if e.LookUp != nil {
		x.Kind = "lookup"
	}
	if r := e.Read; r != nil {
		id := uuid.UUID(r.RequestID)
		x.Kind, x.RequestID, x.Interaction = "read", &id, plain(r.Interaction, maxName)
		x.Records, x.Bytes, x.Attended = r.Count, r.Bytes, r.Attended
		x.Answer, x.Why, x.Asked = row.Answer, row.Why, operationWords(t, r.Operation)
		for _, c := range clusterRows(t, r.Clusters) {
			x.Data = append(x.Data, c.Label)
		}
		for _, id := range r.Accounts {
			x.Accounts = append(x.Accounts, k.account(t, id))
		}
	}
	return x
}

// exporter writes a file of entries, one after the other.
type exporter interface {
	// begin writes what comes before the entries.
	begin() error
	entry(e exported) error
	// end writes what comes after them. note says why entries are missing;
	// it is empty when none are.
	end(note string) error
	// flush sends what was written.
	flush() error
}

// csvExport writes CSV (RFC 4180) with a byte order mark, without which
// spreadsheets take UTF-8 for something else.
type csvExport struct {
	to io.Writer
	w  *csv.Writer
}

func newCSVExport(to io.Writer) *csvExport { return &csvExport{to, csv.NewWriter(to)} }

var csvColumns = []string{
	"time", "localTime", "kind", "app", "data", "accounts", "records", "bytes", "attended", "answer", "why", "asked", "requestId", "interactionId",
}

func (c *csvExport) begin() error {
	c.w.UseCRLF = true
	if _, err := io.WriteString(c.to, "\ufeff"); err != nil {
		return err
	}
	return c.w.Write(csvColumns)
}

func (c *csvExport) entry(e exported) error {
	cells := e.cells()
	for i := range cells {
		cells[i] = harmless(cells[i])
	}
	return c.w.Write(cells)
}

// cells returns the entry in the order of csvColumns, not yet harmless.
func (e exported) cells() []string {
	cells := []string{
		e.Time.Format(time.RFC3339Nano), e.LocalTime, e.Kind, e.App, strings.Join(e.Data, "; "), strings.Join(e.Accounts, "; "),
		"", "", "", e.Answer, e.Why, e.Asked, "", e.Interaction,
	}
	if e.RequestID != nil {
		cells[6], cells[7] = strconv.Itoa(e.Records), strconv.Itoa(e.Bytes)
		cells[8], cells[12] = strconv.FormatBool(e.Attended), e.RequestID.String()
	}
	return cells
}

// harmless keeps a spreadsheet from taking a cell for a formula: names of
// apps and accounts are not ours.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(cell)[0]) {
		return "'" + cell
	}
	return cell
}

func (c *csvExport) end(note string) error {
	if note == "" {
		return nil
	}
	cells := make([]string, len(csvColumns))
	cells[2], cells[11] = "note", note
	return c.w.Write(cells)
}

func (c *csvExport) flush() error { c.w.Flush(); return c.w.Error() }

// jsonExport writes one JSON object whose entries are sent as they come.
type jsonExport struct {
	to   io.Writer
	next bool // an entry was written
	made time.Time
}

func (j *jsonExport) begin() error {
	b, err := json.Marshal(j.made.UTC())
	if err == nil {
		_, err = io.WriteString(j.to, `{"made":`+string(b)+`,"entries":[`)
	}
	return err
}

func (j *jsonExport) entry(e exported) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if j.next {
		b = append([]byte(","), b...)
	}
	j.next = true
	_, err = j.to.Write(append(b, '\n'))
	return err
}

func (j *jsonExport) end(note string) error {
	b, err := json.Marshal(note)
	if err == nil {
		_, err = io.WriteString(j.to, `],"complete":`+strconv.FormatBool(note == "")+`,"note":`+string(b)+"}\n")
	}
	return err
}

func (j *jsonExport) flush() error { return nil }
