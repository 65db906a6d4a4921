package sandbox

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/sandbox/paper"
)

// The terms of each kind of account. The first line is the title, the second
// the day since when they hold, "## " begins a section, and an empty line ends
// a paragraph. What holds for all is in general.txt, sections only.
//
//go:embed terms/*.txt
var termsFiles embed.FS

// Terms implements resource.Provider: a PDF by the kind of the account.
// Businesses have agreed theirs apart, so that there are none here.
func (s *Store) Terms(ctx context.Context, a resource.Access, forms []fdx.ContentType) (resource.Document, error) {
	state, err := s.state(ctx, a)
	if err != nil {
		return resource.Document{}, err
	}
	terms, found := s.terms[state.category]
	if !found {
		return resource.Document{}, resource.ErrNotFound
	}
	if !slices.Contains(forms, fdx.PDF) {
		return resource.Document{}, resource.ErrNotAcceptable
	}
	body, err := s.print(ctx, func() ([]byte, error) { return s.printer.Terms(terms) })
	if err != nil {
		return resource.Document{}, fmt.Errorf("sandbox terms: %w", err)
	}
	return resource.Document{Type: fdx.PDF, Body: body}, nil
}

// readTerms reads the texts.
func readTerms() (map[fdx.AccountCategory]paper.Terms, error) {
	general, err := termsFiles.ReadFile("terms/general.txt")
	if err != nil {
		return nil, err
	}
	out := map[fdx.AccountCategory]paper.Terms{}
	for category, name := range map[fdx.AccountCategory]string{
		fdx.DepositCategory: "deposit", fdx.LineOfCreditCategory: "credit", fdx.LoanCategory: "loan", fdx.InvestmentCategory: "investment",
		fdx.AnnuityCategory: "annuity", fdx.InsuranceCategory: "insurance", fdx.DigitalWalletCategory: "wallet", fdx.BuyNowPayLaterCategory: "installments",
	} {
		text, err := termsFiles.ReadFile("terms/" + name + ".txt")
		if err != nil {
			return nil, err
		}
		title, rest, _ := strings.Cut(string(text), "\n")
		day, rest, _ := strings.Cut(rest, "\n")
		date, err := fdx.ParseDate(day)
		if err != nil {
			return nil, fmt.Errorf("terms/%s.txt: %w", name, err)
		}
		out[category] = paper.Terms{Title: title, Date: date, Sections: sections(rest + "\n" + string(general))}
	}
	return out, nil
}

// sections takes a text apart and numbers its sections.
func sections(text string) []paper.Section {
	var out []paper.Section
	for i, part := range strings.Split(text, "## ")[1:] {
		heading, rest, _ := strings.Cut(part, "\n")
		section := paper.Section{Heading: fmt.Sprintf("%d. %s", i+1, heading)}
		for paragraph := range strings.SplitSeq(rest, "\n\n") {
			if paragraph = strings.TrimSpace(paragraph); paragraph != "" {
				section.Paragraphs = append(section.Paragraphs, paragraph)
			}
		}
		out = append(out, section)
	}
	return out
}
