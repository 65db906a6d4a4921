package paper

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strconv"
	"strings"

	"codeberg.org/go-pdf/fpdf"

	"github.com/headgate/headgate/fdx"
)

// Check is what the front of a cheque says.
type Check struct {
	Date    fdx.Date
	Number  int64
	Drawer  string
	Address []string
	Payee   string
	Amount  fdx.Decimal // in major units of Currency, with at most two digits after the point
	// Currency is an ISO 4217 code.
	Currency string
	Account  string // masked
	Memo     string
}

// CheckTypes returns the forms in which a cheque can be had, the best first.
// The caller owns the slice.
func CheckTypes() []fdx.ContentType {
	return []fdx.ContentType{fdx.PNG, fdx.PDF, fdx.JPEG, fdx.GIF}
}

// Check returns the image of a cheque in one of CheckTypes. Its writing is
// ASCII; a question mark stands for every other letter.
func (p *Printer) Check(c Check, form fdx.ContentType) ([]byte, error) {
	img := p.front(c)
	var out bytes.Buffer
	var err error
	switch form {
	case fdx.PNG:
		err = png.Encode(&out, img)
	case fdx.JPEG:
		err = jpeg.Encode(&out, img, &jpeg.Options{Quality: 85})
	case fdx.GIF:
		greys := make(color.Palette, 256)
		for i := range greys {
			greys[i] = color.Gray{Y: uint8(i)}
		}
		err = gif.Encode(&out, &image.Paletted{Pix: img.Pix, Stride: img.Stride, Rect: img.Rect, Palette: greys}, nil)
	case fdx.PDF:
		return p.checkPDF(c, img)
	default:
		err = fmt.Errorf("no cheque in the form %s", form)
	}
	if err != nil {
		return nil, fmt.Errorf("paper: %w", err)
	}
	return out.Bytes(), nil
}

// checkPDF puts the image on a sheet, as a figure that says what it shows.
func (p *Printer) checkPDF(c Check, img image.Image) ([]byte, error) {
	var picture bytes.Buffer
	if err := png.Encode(&picture, img); err != nil {
		return nil, fmt.Errorf("paper: %w", err)
	}
	title := fmt.Sprintf("Check %d of account %s", c.Number, c.Account)
	s := p.newSheet(title, c.Date, title)
	s.paragraph("P", p.bank, 13, black, 6)
	s.paragraph("H1", title, 18, black, 5)
	figure := s.root.add("Figure")
	figure.attributes = "/Alt" + textString(clean(fmt.Sprintf("Front of the check: %s, pay to %s %s %s, from %s", long(c.Date), c.Payee, c.Currency, grouped(c.Amount), c.Drawer)))
	options := fpdf.ImageOptions{ImageType: "PNG"}
	s.pdf.RegisterImageOptionsReader("check", options, &picture)
	s.mark(figure, func() {
		s.pdf.ImageOptions("check", margin, s.y, width, 0, false, options, 0, "")
	})
	return s.bytes()
}

// The size of a cheque and of a letter on it, in pixels.
const (
	checkWidth, checkHeight = 1200, 520
	glyphWidth, glyphHeight = 16, 32
)

// front draws the front of a cheque.
func (p *Printer) front(c Check) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, checkWidth, checkHeight))
	for y := range checkHeight {
		for x := range checkWidth {
			shade := uint8(0xf6)
			if (x+2*y)%24 < 2 { // the pattern of the paper
				shade = 0xe8
			}
			if x < 4 || y < 4 || x >= checkWidth-4 || y >= checkHeight-4 {
				shade = 0x40
			}
			img.Pix[y*img.Stride+x] = shade
		}
	}
	line := func(x, y, length int) {
		for i := range length {
			img.Pix[y*img.Stride+x+i], img.Pix[(y+1)*img.Stride+x+i] = 0x40, 0x40
		}
	}
	write := func(x, y, most int, text string) { p.write(img, x, y, most, text) }

	write(50, 40, 36, c.Drawer)
	for i, l := range c.Address[:min(2, len(c.Address))] {
		write(50, 76+36*i, 36, l)
	}
	write(660, 40, 32, p.bank)
	write(1000, 88, 10, "No. "+strconv.FormatInt(c.Number, 10))
	write(760, 140, 5, "Date")
	write(850, 140, 18, long(c.Date))
	line(840, 174, 310)

	write(50, 214, 10, "Pay to")
	write(170, 214, 40, c.Payee)
	line(160, 248, 640)
	write(830, 214, 21, c.Currency+" "+grouped(c.Amount))
	line(820, 248, 330)
	write(50, 282, 68, inWords(c.Amount))
	line(50, 316, 1100)

	write(50, 362, 5, "Memo")
	write(140, 362, 30, c.Memo)
	line(130, 396, 480)
	write(760, 362, 24, c.Drawer)
	line(740, 396, 410)
	write(50, 450, 68, fmt.Sprintf("|: 990000000 |: %s |' %d", c.Account, c.Number))
	write(760, 450, 24, "SPECIMEN, NOT A PAYMENT")
	return img
}

// write puts text on the image, at most so many letters.
func (p *Printer) write(img *image.Gray, x, y, most int, text string) {
	for i, r := range []rune(clean(text)) {
		if i == most {
			return
		}
		if r < ' ' || r > '~' {
			r = replacement
		}
		for dy := range glyphHeight {
			from := p.glyphs.Pix[dy*p.glyphs.Stride+int(r-' ')*glyphWidth:][:glyphWidth]
			to := img.Pix[(y+dy)*img.Stride+x+i*glyphWidth:][:glyphWidth]
			for dx := range glyphWidth {
				to[dx] = min(to[dx], from[dx])
			}
		}
	}
}

// inWords returns an amount as it is written out on a cheque: "One hundred
// twenty-three and 45/100". An amount of a billion or more is in digits.
func inWords(d fdx.Decimal) string {
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(d.String(), "-"), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n >= 1_000_000_000 {
		return d.String()
	}
	words := "zero"
	if n > 0 {
		words = strings.Join(append(append(group(n/1_000_000, "million"), group(n/1000%1000, "thousand")...), group(n%1000, "")...), " ")
	}
	return strings.ToUpper(words[:1]) + words[1:] + " and " + (fraction + "00")[:2] + "/100"
}

// group returns the words of a number below a thousand, none for 0.
func group(n int64, unit string) []string {
	small := strings.Fields("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
	tens := strings.Fields("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
	var words []string
	if n >= 100 {
		words = append(words, small[n/100], "hundred")
	}
	switch rest := n % 100; {
	case rest >= 20 && rest%10 > 0:
		words = append(words, tens[rest/10]+"-"+small[rest%10])
	case rest >= 20:
		words = append(words, tens[rest/10])
	case rest > 0:
		words = append(words, small[rest])
	}
	if len(words) > 0 && unit != "" {
		words = append(words, unit)
	}
	return words
}
