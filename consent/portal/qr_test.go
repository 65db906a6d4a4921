package portal

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"rsc.io/qr"
)

// modules reads the dark modules out of a drawing, as a reader of pictures
// would: without the border.
func modules(t *testing.T, drawing string) [][]bool {
	t.Helper()
	var svg struct {
		ViewBox string `xml:"viewBox,attr"`
		Label   string `xml:"aria-label,attr"`
		Role    string `xml:"role,attr"`
		Paths   []struct {
			Fill string `xml:"fill,attr"`
			D    string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal([]byte(drawing), &svg); err != nil {
		t.Fatal(err)
	}
	var side int
	if _, err := fmt.Sscanf(svg.ViewBox, "0 0 %d %d", &side, &side); err != nil || len(svg.Paths) != 2 || svg.Role != "img" || svg.Label == "" {
		t.Fatalf("%v: %s", err, drawing)
	}
	if back := svg.Paths[0]; back.Fill != "#fff" || back.D != fmt.Sprintf("M0 0h%dv%dH0z", side, side) {
		t.Errorf("it is not on white: %+v", back)
	}
	rows := make([][]bool, side)
	for y := range rows {
		rows[y] = make([]bool, side)
	}
	for _, run := range strings.Split(strings.Trim(svg.Paths[1].D, "Mz"), "zM") {
		var x, y, w, back int
		if _, err := fmt.Sscanf(run, "%d %dh%dv1h-%d", &x, &y, &w, &back); err != nil || w != back || w < 1 {
			t.Fatalf("%q: %v", run, err)
		}
		for i := range w {
			if rows[y][x+i] {
				t.Fatalf("drawn twice at %d, %d", x+i, y)
			}
			rows[y][x+i] = true
		}
	}
	return rows
}

func TestQRCodeIsDrawnAsItIs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a", "https://pages.bank.example/receipts/verify?code=K7QF-2ZDM-XR4A", "https://" + strings.Repeat("long.", 30) + "example/receipts/verify?code=K7QF-2ZDM-XR4A"} {
		drawing, err := qrCode(text, `The code "K7QF" <here>`)
		if err != nil {
			t.Fatal(err)
		}
		want, err := qr.Encode(text, qr.M)
		if err != nil {
			t.Fatal(err)
		}
		rows := modules(t, string(drawing))
		if len(rows) != want.Size+8 {
			t.Fatalf("%d modules, want %d with a border of 4", len(rows), want.Size)
		}
		for y, row := range rows {
			for x, dark := range row {
				if dark != want.Black(x-4, y-4) {
					t.Fatalf("%s: the module at %d, %d is %v", text, x-4, y-4, dark)
				}
			}
		}
	}
	if _, err := qrCode(strings.Repeat("x", 5000), "x"); err == nil {
		t.Error("drew what fits into no code")
	}
}

func TestReceiptShowsItsCodeAsAPicture(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	p.toShared()
	page := p.open(href(t, p.open("/authorize/"+string(w.auth().ID)), "receipt"))
	_, code, _ := strings.Cut(string(page.Body), `id="receipt_code">`)
	code, _, _ = strings.Cut(code, "<")
	if !codeForm.MatchString(code) {
		t.Fatalf("the code is %q", code)
	}
	_, drawing, _ := strings.Cut(string(page.Body), "<svg id=\"receipt_qr\"")
	drawing, _, _ = strings.Cut(drawing, "</svg>")
	rows := modules(t, "<svg"+drawing+"</svg>")
	address := "https://bank.example" + checkPath(code)
	want, err := qr.Encode(address, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	for y, row := range rows {
		for x, dark := range row {
			if dark != want.Black(x-4, y-4) {
				t.Fatalf("it does not say %s", address)
			}
		}
	}
	// The picture leads to the public page, which says the code again.
	check := w.person().open(checkPath(code))
	sound(t, check)
	says(t, check, code)
	for _, bad := range []string{"K7QF", "k7qf-2zdm-xr4a", "<b>x</b>", "K7QF-2ZDM-XR4A-", "K7QF-2ZDM-XR4A&code=K7QF-2ZDM-XR4A"} {
		if check := p.open(verifyPath + "?code=" + bad); check.Has("verify_code") {
			t.Errorf("%s: %s", bad, check)
		}
	}
}
