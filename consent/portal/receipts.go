package portal

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/receipt"
	"github.com/headgate/headgate/fdx"
)

// Receipts hands out receipts and checks them. *receipt.Desk is one.
type Receipts interface {
	// List is as in receipt.Desk.
	List(ctx context.Context, who consent.ConsumerID, limit int) ([]receipt.Version, error)
	// Receipt is as in receipt.Desk.
	Receipt(ctx context.Context, who consent.ConsumerID, id receipt.ID) (receipt.Signed, error)
	// Verify is as in receipt.Desk.
	Verify(ctx context.Context, jws string) (receipt.Receipt, error)
	// Keys is as in receipt.Desk.
	Keys(ctx context.Context) ([]byte, error)
}

// receiptsLimit is how many receipts the list shows.
const receiptsLimit = 100

func receiptPath(g consent.GrantID, epoch int64) string {
	return receiptsPath + "/" + url.PathEscape(receipt.ID{Grant: g, Epoch: epoch}.String())
}

// decided returns the address of the receipt for what a decision led to: a
// new grant begins in its first version, a changed one in the next.
func decided(g consent.GrantID, c consent.Change) string { return receiptPath(g, c.Epoch+1) }

// receiptRow is one receipt in the list.
type receiptRow struct {
	Title, Time, Page string
	Field             string // element id
}

func receiptRows(t *text, list []receipt.Version) []receiptRow {
	rows := make([]receiptRow, 0, len(list))
	for i, v := range list {
		rows = append(rows, receiptRow{
			Field: "receipt_" + strconv.Itoa(i+1),
			Title: happened(t, v.Event.Kind, recipientOf(t, v.Grant.Parties).Name),
			Time:  t.Moment(v.Event.At), Page: receiptPath(v.Event.Grant, v.Event.Epoch),
		})
	}
	return rows
}

// recipientOf returns the app among the parties, its names fit to be shown.
func recipientOf(t *text, parties []consent.Party) consent.Party {
	app := consent.Party{Name: t.T("problem.app")}
	for _, party := range parties {
		if party.Type != consent.PartyRecipient {
			continue
		}
		if name := plain(party.Name, maxName); name != "" {
			app.Name = name
		}
		app.RegisteredEntityName = plain(party.RegisteredEntityName, maxName)
		break
	}
	return app
}

// happened says what a receipt is for.
func happened(t *text, kind consent.EventKind, app string) string {
	switch kind {
	case consent.EventGranted:
		return t.T("receipt.granted", "App", app)
	case consent.EventChanged, "renewed":
		return t.T("receipt.changed", "App", app)
	case "paused":
		return t.T("receipt.paused", "App", app)
	case "resumed":
		return t.T("receipt.resumed", "App", app)
	case "held":
		return t.T("receipt.held", "App", app)
	case consent.EventRevoked:
		return t.T("receipt.stopped", "App", app)
	case consent.EventExpired:
		return t.T("receipt.expired", "App", app)
	default:
		return t.T("receipt.other", "App", app)
	}
}

// receiptFacts is what pages show of a receipt.
type receiptFacts struct {
	Heading      string
	Legal        string
	When, By     string
	Began, Ends  string
	Ended        string // empty while active
	Accounts     string
	Lookback     string
	Whose        string // empty where all accounts are in one name
	Clusters     []clusterRow
	Number, Code string
	Disclosure   consent.Disclosure
}

// describe puts a receipt into words. It takes nothing but the receipt: the
// page says the same whatever has changed since.
func describe(t *text, bank string, r receipt.Receipt, code string) receiptFacts {
	app := recipientOf(t, r.Parties)
	c := r.Consent
	v := receiptFacts{
		Heading: happened(t, r.Event, app.Name), Legal: app.RegisteredEntityName,
		When:  t.Moment(time.Unix(r.At, 0)) + " " + t.Zone(time.Unix(r.At, 0)),
		Began: t.Date(c.CreatedAt), Ends: t.Date(c.ExpiresAt), Ended: t.Moment(c.EndedAt),
		Accounts: t.T("fact.count", "Count", c.Accounts), Lookback: t.T("fact.days", "Count", c.LookbackDays),
		Clusters: clusterRows(t, clustersNamed(c.Clusters)), Number: r.ID, Code: code,
		Disclosure: r.Disclosure,
	}
	if c.Holder != (consent.Holder{}) {
		v.Whose = holderName(t, c.Holder)
	}
	if c.Duration == consent.OneTime {
		v.Ends = t.Moment(c.ExpiresAt)
	}
	switch r.By {
	case consent.ActorConsumer:
		v.By = t.T("receipt.you")
	case consent.ActorRecipient:
		v.By = app.Name
	case consent.ActorTime:
		v.By = t.T("receipt.time")
	default:
		v.By = bank
	}
	return v
}

// clustersNamed returns the clusters with these names. A name that is not known any
// more is left out here; the words that were shown still tell of it.
func clustersNamed(names []string) fdx.Clusters {
	var set fdx.Clusters
	for _, name := range names {
		if c, err := fdx.ParseCluster(name); err == nil {
			set = set.With(c)
		}
	}
	return set
}

// receiptDocument is the file that people save: the signed receipt, and what
// it says for those who cannot read it.
func receiptDocument(s receipt.Signed) ([]byte, error) {
	return json.MarshalIndent(struct {
		JWS     string          `json:"jws"`
		Code    string          `json:"code"`
		Receipt receipt.Receipt `json:"receipt"`
	}{s.JWS, s.Code, s.Receipt}, "", "  ")
}
