package portal

import (
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"strings"

	"rsc.io/qr"
)

// codeParameter carries a check code to the public page.
const codeParameter = "code"

// codeForm is how receipt.Code writes a check code.
var codeForm = regexp.MustCompile(`^[A-Z2-7]{4}-[A-Z2-7]{4}-[A-Z2-7]{4}$`)

// checkPath is where anybody can check a copy of the receipt with a code.
func checkPath(code string) string {
	return verifyPath + "?" + url.Values{codeParameter: {code}}.Encode()
}

// qrMargin is the white border that a reader needs, in modules (ISO/IEC 18004
// section 6.3.8).
const qrMargin = 4

// qrCode draws a text as a QR code in SVG: black on white in every scheme of
// colours, because readers need it so. title is what it says to who cannot see
// it.
func qrCode(text, title string) (template.HTML, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("draw QR code: %w", err)
	}
	var b strings.Builder
	side := code.Size + 2*qrMargin
	fmt.Fprintf(&b, `<svg id="receipt_qr" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s" shape-rendering="crispEdges">`,
		side, side, 4*side, 4*side, template.HTMLEscapeString(title))
	fmt.Fprintf(&b, `<path fill="#fff" d="M0 0h%dv%dH0z"/><path fill="#000" d="`, side, side)
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+qrMargin, y+qrMargin, x-from, x-from)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return template.HTML(b.String()), nil //nolint:gosec // numbers, and a title that is escaped
}
