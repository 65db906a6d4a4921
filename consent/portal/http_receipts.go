package portal

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/receipt"
	"github.com/headgate/headgate/internal/web"
)

// The addresses of receipts. The last two are for everybody.
const (
	receiptsPath    = "/portal/receipts"
	verifyPath      = "/receipts/verify"
	receiptKeysPath = "/receipts/jwks.json"
)

// receiptRoutes adds the pages of receipts.
func (p *Portal) receiptRoutes(e *gin.Engine) {
	e.GET(receiptsPath, p.signedIn(p.getReceipts))
	e.GET(receiptsPath+"/:id", p.signedIn(p.getReceipt))
	e.GET(verifyPath, p.getVerify)
	e.POST(verifyPath, p.postVerify)
	e.GET(receiptKeysPath, p.getReceiptKeys)
}

// receiptsPage is what receipts.html gets.
type receiptsPage struct {
	page
	Title string
	Rows  []receiptRow
	Older bool // something began before there were receipts
}

func (p *Portal) getReceipts(v *visit) {
	ctx := v.Request.Context()
	list, err := p.c.Receipts.List(ctx, v.who, receiptsLimit)
	if err != nil {
		p.away(v, err)
		return
	}
	grants, err := p.c.Grants.GrantsOf(ctx, v.who)
	if err != nil {
		p.away(v, fmt.Errorf("list grants: %w", err))
		return
	}
	d := receiptsPage{page: page{text: v.t}, Title: v.t.T("receipts.title"), Rows: receiptRows(v.t, list)}
	began := map[consent.GrantID]bool{}
	for _, r := range list {
		began[r.Event.Grant] = began[r.Event.Grant] || r.Event.Kind == consent.EventGranted
	}
	for _, g := range grants {
		d.Older = d.Older || g.Consumer == v.who && !began[g.ID] && len(list) < receiptsLimit
	}
	p.render(v, http.StatusOK, "receipts", d.Title, receiptsPath, d)
}

// receiptPage is what receipt.html gets.
type receiptPage struct {
	page
	receiptFacts
	Title string
	Saved string // address of the signed copy
	// Check is the public address that leads to the check of this receipt,
	// CheckPath its path, and QR the same as a picture.
	Check, CheckPath string
	QR               template.HTML
	None             bool // there is no receipt for this
}

// getReceipt shows a receipt, or hands it out when the address ends in .json.
func (p *Portal) getReceipt(v *visit) {
	name, clean := web.Param(v.Context, "id")
	name, file := strings.CutSuffix(name, ".json")
	id, ok := receipt.ParseID(name)
	if !clean || !ok {
		p.failed(v.Writer, v.Request, notFound, nil)
		return
	}
	s, err := p.c.Receipts.Receipt(v.Request.Context(), v.who, id)
	switch {
	case errors.Is(err, consent.ErrNotFound):
		p.noReceipt(v, id)
	case err != nil:
		p.away(v, err)
	case file:
		p.handOut(v, s)
	default:
		d := receiptPage{page: page{text: v.t}, receiptFacts: describe(v.t, p.c.UI.Bank(), s.Receipt, s.Code), Saved: receiptPath(id.Grant, id.Epoch) + ".json"}
		d.Title, d.CheckPath = v.t.T("receipt.title"), checkPath(s.Code)
		d.Check = strings.TrimSuffix(p.c.Base, "/") + d.CheckPath
		if d.QR, err = qrCode(d.Check, v.t.T("receipt.qr", "Code", s.Code)); err != nil {
			p.away(v, err)
			return
		}
		p.render(v, http.StatusOK, "receipt", d.Title+": "+d.Heading, "", d)
	}
}

// noReceipt answers for what has no receipt: that of another person is
// unknown, something of one's own from before there were receipts has a page
// that says so.
func (p *Portal) noReceipt(v *visit, id receipt.ID) {
	ctx := v.Request.Context()
	_, err := p.c.Grants.GrantOfConsumer(ctx, v.who, id.Grant)
	var events []consent.Event
	if err == nil {
		events, err = p.c.Grants.Events(ctx, id.Grant)
	}
	if err != nil && !errors.Is(err, consent.ErrNotFound) {
		p.away(v, fmt.Errorf("look for what has no receipt: %w", err))
		return
	}
	for _, e := range events {
		if err == nil && e.Grant == id.Grant && e.Epoch == id.Epoch && receipt.Told(e.Kind) {
			d := receiptPage{page: page{text: v.t}, Title: v.t.T("receipt.none.title"), None: true}
			p.render(v, http.StatusNotFound, "receipt", d.Title, "", d)
			return
		}
	}
	p.failed(v.Writer, v.Request, notFound, nil)
}

func (p *Portal) handOut(v *visit, s receipt.Signed) {
	b, err := receiptDocument(s)
	if err != nil {
		p.away(v, fmt.Errorf("write receipt: %w", err))
		return
	}
	h := v.Writer.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": "receipt-" + s.Code + ".json"}))
	v.Status(http.StatusOK)
	_, _ = v.Writer.Write(b) // the person has gone; nobody is left to tell
}

// getReceiptKeys publishes every key that ever signed a receipt.
func (p *Portal) getReceiptKeys(g *gin.Context) {
	keys, err := p.c.Receipts.Keys(g.Request.Context())
	if err != nil {
		p.failed(g.Writer, g.Request, unavailable, err)
		return
	}
	h := g.Writer.Header()
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(certs.JWKSMaxAge.Seconds())))
	g.Status(http.StatusOK)
	_, _ = g.Writer.Write(keys)
}

// Checking a receipt, for everybody.

// verifyPage is what verify.html gets.
type verifyPage struct {
	page
	receiptFacts
	Title, Lead, Result string
	Good, Checked       bool
	// Expected is the code on the copy that led here; empty for none.
	Expected string
}

func (p *Portal) getVerify(g *gin.Context) {
	d := verifyPage{}
	// It comes from whoever made the link: only a code is repeated.
	if code := g.Request.URL.Query()[codeParameter]; len(code) == 1 && codeForm.MatchString(code[0]) {
		d.Expected = code[0]
	}
	p.showVerify(g, http.StatusOK, d)
}

func (p *Portal) showVerify(g *gin.Context, status int, d verifyPage) {
	t := p.text(g.Request, nil)
	d.text, d.Title, d.Lead = t, t.T("verify.title"), t.T("verify.lead", "Bank", p.c.UI.Bank())
	if err := p.pages.Render(g.Writer, status, "verify", p.frame(t, faulty(t, d.Title, d.Fault)), d); err != nil {
		p.failed(g.Writer, g.Request, unavailable, err)
	}
}

// postVerify checks what somebody hands in. Of what does not hold nothing is
// shown: our page must not lend its looks to a forger's words.
func (p *Portal) postVerify(g *gin.Context) {
	handed, field, err := p.handedIn(g)
	if errors.Is(err, web.ErrFormTooLarge) {
		p.failed(g.Writer, g.Request, tooLarge, err)
		return
	}
	if err != nil {
		p.failed(g.Writer, g.Request, badForm, err)
		return
	}
	t := p.text(g.Request, nil)
	d := verifyPage{}
	if strings.TrimSpace(string(handed)) == "" {
		d.Fault, d.Field = t.T("verify.empty"), field
		p.showVerify(g, http.StatusUnprocessableEntity, d)
		return
	}
	var r receipt.Receipt
	jws, err := receipt.Find(handed)
	if err == nil {
		r, err = p.c.Receipts.Verify(g.Request.Context(), jws)
	}
	d.Checked = true
	switch {
	case err == nil:
		d.Good, d.Result = true, t.T("verify.good", "Bank", p.c.UI.Bank())
		d.receiptFacts = describe(t, p.c.UI.Bank(), r, receipt.Code(jws))
	case errors.Is(err, receipt.ErrForm), errors.Is(err, receipt.ErrKey), errors.Is(err, receipt.ErrSignature):
		d.Result = t.T("verify.bad", "Bank", p.c.UI.Bank())
	default:
		pr := unavailable
		pr.RetryURI = verifyPath
		p.failed(g.Writer, g.Request, pr, err)
		return
	}
	p.showVerify(g, http.StatusOK, d)
}

// handedIn reads the one field of either form, as text or as a file, and
// names the element that it came from.
func (p *Portal) handedIn(g *gin.Context) (handed []byte, field string, err error) {
	kind, params, err := mime.ParseMediaType(g.GetHeader("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		form, err := web.Form(g.Request, maxForm)
		if err == nil && (len(form) != 1 || !form.Has("receipt")) {
			err = web.ErrFormMalformed
		}
		return []byte(form.Get("receipt")), "receipt_text", err
	}
	// What the form adds around the file is small.
	const around = 4 << 10
	if g.Request.ContentLength > maxForm+around {
		return nil, "", web.ErrFormTooLarge
	}
	parts := multipart.NewReader(io.LimitReader(g.Request.Body, maxForm+around), params["boundary"])
	part, err := parts.NextRawPart()
	if err != nil || part.FormName() != "file" {
		return nil, "", web.ErrFormMalformed
	}
	if handed, err = io.ReadAll(io.LimitReader(part, maxForm+1)); len(handed) > maxForm {
		return nil, "", web.ErrFormTooLarge
	}
	if err != nil {
		return nil, "", web.ErrFormMalformed
	}
	if _, err := parts.NextRawPart(); err != io.EOF { //nolint:errorlint // as documented
		return nil, "", web.ErrFormMalformed
	}
	return handed, "receipt_file", nil
}
