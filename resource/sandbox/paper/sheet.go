package paper

import (
	"bytes"
	"fmt"
	"sort"
	"strings"

	"codeberg.org/go-pdf/fpdf"

	"github.com/headgate/headgate/fdx"
)

// The measures of a sheet, US Letter, in millimetres.
const (
	sheetWidth, sheetHeight = 215.9, 279.4
	margin                  = 18.0
	width                   = sheetWidth - 2*margin
	bottom                  = sheetHeight - 20 // below it is the foot
)

// sheet is a document that is being drawn, from top to bottom. Whoever draws
// says what it is: an element of the structure, or an artifact.
type sheet struct {
	pdf     *fpdf.Fpdf
	letters letters
	root    *element
	pages   [][]*element // by page and MCID, the owner
	y       float64
	// head is repeated on every page but the first, foot stands on each.
	head, foot string
}

// newSheet returns an empty document of a day.
func (p *Printer) newSheet(title string, day fdx.Date, head string) *sheet {
	f := fpdf.New("P", "mm", "Letter", "")
	f.SetMargins(margin, margin, margin)
	f.SetAutoPageBreak(false, 0)
	f.SetCellMargin(0)
	f.SetCatalogSort(true) // the same bytes each time
	f.SetCreationDate(day.Time())
	f.SetModificationDate(day.Time())
	f.SetProducer("Headgate", true)
	f.SetTitle(clean(title), true)
	f.SetAuthor(clean(p.bank), true)
	f.AddUTF8FontFromBytes("text", "", p.font)
	s := &sheet{pdf: f, letters: p.letters, root: &element{role: "Document"}, head: head, foot: p.bank}
	s.page()
	return s
}

// page begins a page.
func (s *sheet) page() {
	s.pdf.AddPage()
	s.pages = append(s.pages, nil)
	s.y = margin
	if len(s.pages) > 1 {
		s.style(9, grey)
		s.artifact("Pagination", func() { s.put(margin, s.y, width, 5, s.head, "L") })
		s.y += 9
	}
}

// room begins a page unless there is so much room left on this one.
func (s *sheet) room(height float64) {
	if s.y+height > bottom {
		s.page()
	}
}

// The shades of ink.
const (
	black = 0x1a
	grey  = 0x55 // still in contrast with white, 7 to 1
)

func (s *sheet) style(points float64, shade int) {
	s.pdf.SetFont("text", "", points)
	s.pdf.SetTextColor(shade, shade, shade)
}

// artifact draws what is no part of the content (ISO 32000-1 section 14.8.2.2).
func (s *sheet) artifact(kind string, draw func()) {
	s.pdf.RawWriteStr("/Artifact <</Type /" + kind + ">> BDC\n")
	draw()
	s.pdf.RawWriteStr("EMC\n")
}

// mark draws a piece of an element.
func (s *sheet) mark(e *element, draw func()) {
	page := len(s.pages) - 1
	m := mark{page, len(s.pages[page])}
	s.pages[page] = append(s.pages[page], e)
	e.marks = append(e.marks, m)
	s.pdf.RawWriteStr(fmt.Sprintf("/%s <</MCID %d>> BDC\n", e.role, m.mcid))
	draw()
	s.pdf.RawWriteStr("EMC\n")
}

// put draws one line of clean text in a box.
func (s *sheet) put(x, y, w, h float64, text, align string) {
	s.pdf.SetXY(x, y)
	s.pdf.CellFormat(w, h, s.letters.drawn(text), "", 0, align, false, 0, "")
}

// fill makes a box grey.
func (s *sheet) fill(y, h float64) {
	s.artifact("Layout", func() {
		s.pdf.SetFillColor(0xee, 0xf1, 0xf4)
		s.pdf.Rect(margin, y, width, h, "F")
	})
}

// rule draws a line from side to side.
func (s *sheet) rule(y float64) {
	s.artifact("Layout", func() {
		s.pdf.SetDrawColor(0xcc, 0xcc, 0xcc)
		s.pdf.SetLineWidth(0.2)
		s.pdf.Line(margin, y, margin+width, y)
	})
}

// text returns an element of one text, with its original if that is not what
// is drawn.
func (s *sheet) text(parent *element, role, text string) *element {
	e := parent.add(role)
	if s.letters.drawn(text) != text {
		e.attributes = "/ActualText" + textString(text)
	}
	return e
}

// maxParagraphLines is more than any paragraph has; it bounds what a name of
// somebody's own choice can cost.
const maxParagraphLines = 200

// paragraph draws a text over the whole width, on as many pages as it takes.
func (s *sheet) paragraph(role, text string, points float64, shade int, after float64) {
	text = clean(text)
	if text == "" {
		return
	}
	s.style(points, shade)
	h := points * 0.5
	lines := s.wrap(text, width, maxParagraphLines)
	if role != "P" {
		s.room(h*float64(len(lines)) + 20) // no heading alone at the bottom
		s.style(points, shade)
	}
	e := s.text(s.root, role, text)
	for len(lines) > 0 {
		s.room(h)
		s.style(points, shade)
		fit := min(max(1, int((bottom-s.y)/h)), len(lines))
		s.mark(e, func() {
			for _, line := range lines[:fit] {
				s.put(margin, s.y, width, h, line, "L")
				s.y += h
			}
		})
		lines = lines[fit:]
	}
	s.y += after
}

// cell is one cell of a table.
type cell struct {
	x, w  float64
	text  string
	align string
	role  string // TH or TD
}

// maxCellLines bounds a cell; what is more is cut off with an ellipsis. The
// whole text is still in the structure.
const maxCellLines = 6

// row is a row of a table, wrapped but not drawn.
type row struct {
	cells  []cell
	lines  [][]string
	height float64
}

const (
	lineHeight = 4.6
	rowPadding = 1.2
)

// wrapped makes a row, in the style that is set.
func (s *sheet) wrapped(cells ...cell) row {
	r := row{cells: cells, height: lineHeight + rowPadding}
	for i := range r.cells {
		c := &r.cells[i]
		c.text = clean(c.text)
		lines := s.wrap(c.text, c.w, maxCellLines)
		if len(lines) > maxCellLines {
			lines = lines[:maxCellLines]
			lines[maxCellLines-1] += "…"
		}
		r.lines = append(r.lines, lines)
		r.height = max(r.height, lineHeight*float64(len(lines))+rowPadding)
	}
	return r
}

// draw draws a row; parent is nil for one that repeats what is on an earlier
// page.
func (s *sheet) draw(parent *element, r row) {
	var tr *element
	if parent != nil {
		tr = parent.add("TR")
	}
	for i, c := range r.cells {
		draw := func() {
			for n, line := range r.lines[i] {
				s.put(c.x, s.y+rowPadding/2+lineHeight*float64(n), c.w, lineHeight, line, c.align)
			}
		}
		switch {
		case tr == nil:
			s.artifact("Pagination", draw)
		case len(r.lines[i]) == 0:
			tr.add(c.role)
		default:
			e := s.text(tr, c.role, c.text)
			if len(r.lines[i]) == maxCellLines && !strings.HasSuffix(c.text, r.lines[i][maxCellLines-1]) {
				e.attributes = "/ActualText" + textString(c.text)
			}
			s.mark(e, draw)
		}
	}
	s.y += r.height
}

// wrap breaks clean text into lines that fit a width in the present font, at
// spaces where there are some. It may stop after so many lines.
func (s *sheet) wrap(text string, w float64, most int) []string {
	fits := func(t string) bool { return s.pdf.GetStringWidth(s.letters.drawn(t)) <= w }
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if len(lines) > most {
			return lines
		}
		if line == "" {
			line = word
		} else if fits(line + " " + word) {
			line += " " + word
			continue
		} else {
			lines, line = append(lines, line), word
		}
		for len(lines) <= most && !fits(line) {
			rs := []rune(line)
			// As many letters as fit, and one if none does.
			n := max(1, sort.Search(len(rs), func(n int) bool { return !fits(string(rs[:n+1])) }))
			if n == len(rs) {
				break
			}
			lines, line = append(lines, string(rs[:n])), string(rs[n:])
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// bytes numbers the pages and returns the file.
func (s *sheet) bytes() ([]byte, error) {
	for i := range s.pages {
		s.pdf.SetPage(i + 1)
		s.pdf.SetFontSize(9) // or fpdf would think that this page has 8 already
		s.style(8, grey)
		s.artifact("Pagination", func() {
			s.put(margin, bottom+5, width, 5, s.foot, "L")
			s.put(margin, bottom+5, width, 5, fmt.Sprintf("Page %d of %d", i+1, len(s.pages)), "R")
		})
	}
	var out bytes.Buffer
	if err := s.pdf.Output(&out); err != nil {
		return nil, fmt.Errorf("paper: %w", err)
	}
	return tagged(out.Bytes(), s.root, s.pages)
}
