package paper

import (
	"github.com/headgate/headgate/fdx"
)

// Terms is a document of headings and paragraphs.
type Terms struct {
	Title string
	// Date is since when they hold.
	Date     fdx.Date
	Sections []Section
}

// Section is a part of terms.
type Section struct {
	Heading    string
	Paragraphs []string
}

// Terms returns the PDF of terms and conditions.
func (p *Printer) Terms(t Terms) ([]byte, error) {
	s := p.newSheet(t.Title, t.Date, t.Title)
	s.paragraph("P", p.bank, 13, black, 0.5)
	for _, line := range p.address {
		s.paragraph("P", line, 9, grey, 0)
	}
	s.y += 8
	s.paragraph("H1", t.Title, 18, black, 2)
	s.paragraph("P", "In force since "+long(t.Date)+".", 10, grey, 4)
	for _, section := range t.Sections {
		s.y += 2
		s.paragraph("H2", section.Heading, 13, black, 1)
		for _, text := range section.Paragraphs {
			s.paragraph("P", text, 10, black, 2)
		}
	}
	return s.bytes()
}
