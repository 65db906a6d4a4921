package paper

import (
	"bytes"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/fdx"
)

func check(t testing.TB) Check {
	return Check{
		Date: day(t, "2026-03-11"), Number: 1042, Drawer: "Bea Borromeo", Address: []string{"140 Hillside Avenue", "Lakeview, OH 43003"},
		Payee: "Hillside Dental", Amount: fdx.NewDecimal(12_345, 2), Currency: "USD", Account: "****1234", Memo: "Invoice 77",
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	p := newPrinter(t)
	other := check(t)
	other.Amount = fdx.NewDecimal(12_346, 2)
	for form, kind := range map[fdx.ContentType]string{fdx.PNG: "png", fdx.JPEG: "jpeg", fdx.GIF: "gif"} {
		body, err := p.Check(check(t), form)
		if err != nil {
			t.Fatal(err)
		}
		img, got, err := image.Decode(bytes.NewReader(body))
		if err != nil || got != kind || img.Bounds().Dx() != checkWidth || img.Bounds().Dy() != checkHeight {
			t.Errorf("%s: %s of %v, %v", form, got, img.Bounds(), err)
		}
		dark := 0
		for y := range checkHeight {
			for x := range checkWidth {
				if r, _, _, _ := img.At(x, y).RGBA(); r < 0x4000 {
					dark++
				}
			}
		}
		if dark < 5_000 || dark > 60_000 {
			t.Errorf("%s: %d dark points", form, dark)
		}
		if again, err := p.Check(check(t), form); err != nil || !bytes.Equal(again, body) {
			t.Errorf("%s: other bytes for the same cheque, %v", form, err)
		}
		if changed, err := p.Check(other, form); err != nil || bytes.Equal(changed, body) {
			t.Errorf("%s: the same bytes for another cheque, %v", form, err)
		}
	}
	body, err := p.Check(check(t), fdx.PDF)
	if err != nil {
		t.Fatal(err)
	}
	d := read(t, body)
	if !slices.Contains(d.outline, " H1 Check 1042 of account ****1234") ||
		!slices.Contains(d.outline, " Figure Front of the check: 11 March 2026, pay to Hillside Dental USD 123.45, from Bea Borromeo") {
		t.Errorf("outline\n%s", strings.Join(d.outline, "\n"))
	}
	for _, form := range []fdx.ContentType{fdx.TIFF, fdx.ZIP, fdx.JSON, ""} {
		if body, err := p.Check(check(t), form); err == nil || body != nil || slices.Contains(CheckTypes(), form) {
			t.Errorf("%q: %d bytes", form, len(body))
		}
	}
	// Whatever is written stays on the paper.
	long := strings.Repeat("Wő", 500)
	if _, err := p.Check(Check{Drawer: long, Address: []string{long, long, long}, Payee: long, Currency: long, Account: long, Memo: long, Amount: fdx.NewDecimal(1<<62, 0)}, fdx.PNG); err != nil {
		t.Error(err)
	}
}

func TestInWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d    fdx.Decimal
		want string
	}{
		{fdx.NewDecimal(0, 2), "Zero and 00/100"},
		{fdx.NewDecimal(101, 2), "One and 01/100"},
		{fdx.NewDecimal(13, 0), "Thirteen and 00/100"},
		{fdx.NewDecimal(205, 1), "Twenty and 50/100"},
		{fdx.NewDecimal(12_345, 2), "One hundred twenty-three and 45/100"},
		{fdx.NewDecimal(100_000, 2), "One thousand and 00/100"},
		{fdx.NewDecimal(99_999_999_999, 2), "Nine hundred ninety-nine million nine hundred ninety-nine thousand nine hundred ninety-nine and 99/100"},
		{fdx.NewDecimal(1_000_000_000, 0), "1000000000"},
	} {
		if got := inWords(c.d); got != c.want {
			t.Errorf("%s: %s", c.d, got)
		}
	}
}

func TestTerms(t *testing.T) {
	t.Parallel()
	p := newPrinter(t)
	body, err := p.Terms(Terms{Title: "Terms of accounts", Date: day(t, "2025-01-01"), Sections: []Section{
		{"1. Fees", []string{"There are none.", strings.Repeat("A paragraph that is longer than a page. ", 200)}},
		{"2. End", []string{"Either side may end it."}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	d := read(t, body)
	got := strings.Join(d.outline, "\n")
	if len(d.pages) != 2 || !strings.Contains(got, " H1 Terms of accounts\n P In force since 1 January 2025.\n H2 1. Fees\n P There are none.\n P A paragraph") ||
		!strings.HasSuffix(got, " H2 2. End\n P Either side may end it.") {
		t.Errorf("%d pages\n%s", len(d.pages), got)
	}
}

// A file of another form than fpdf's of today is refused and not damaged.
func TestAnotherFormIsRefused(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"", "%PDF-1.3\n", "\nxref\n0 x\n", "\nxref\n0 3\n0000000000 65535 f \n0000000000 00000 n \n9999999999 00000 n \n",
		"1 0 obj\n<<>>\nendobj\n\nxref\n0 2\n0000000000 65535 f \n0000000000 00000 n \ntrailer\n"} {
		if out, err := tagged([]byte(file), &element{role: "Document"}, [][]*element{nil}); err == nil || out != nil {
			t.Errorf("%q gave %d bytes", file, len(out))
		}
	}
}
