package portal

import (
	"embed"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/login"
)

//go:embed letters
var letters embed.FS

// Letter is a mail in words. It holds neither data nor account numbers, loads
// nothing, and links to the pages' own origin alone.
type Letter struct {
	Lang    string // BCP 47
	Subject string // one line without control characters
	Text    string
	HTML    string
	// Unsubscribe is where the person chooses which mail to get; empty when
	// this mail cannot be switched off.
	Unsubscribe string
}

// letterPart is one notice in a letter.
type letterPart struct{ Title, Text string }

// letterPage is what letter.html gets.
type letterPage struct {
	Lang, Subject, Bank, See, SeeText, How, Why, Choose, ChooseText string
	Parts                                                           []letterPart
}

// Letter puts a mail into words, in the language that the person chose, else in
// the bank's.
func (p *Portal) Letter(m inbox.Mail) (Letter, error) {
	if len(m.Notices) == 0 {
		return Letter{}, fmt.Errorf("portal: a mail without notices")
	}
	t := p.catalogue.texts[0]
	for _, lang := range []string{p.c.MailLanguage, m.Locale} {
		if i := slices.Index(languages, lang); i >= 0 {
			t = p.catalogue.texts[i]
		}
	}
	v := letterPage{
		Lang: t.Lang, Bank: p.c.UI.Bank(), See: p.c.Base + noticesPath, SeeText: t.T("letter.see"),
		How: t.T("letter.how", "Bank", p.c.UI.Bank()), Why: t.T("letter.why", "Bank", p.c.UI.Bank()), ChooseText: t.T("letter.fixed"),
	}
	l := Letter{Lang: t.Lang}
	if m.Optional() {
		l.Unsubscribe = p.c.Base + preferencesPath
		v.Choose, v.ChooseText = l.Unsubscribe, t.T("letter.choose")
	}
	var b strings.Builder
	for _, n := range m.Notices {
		title, text := p.say(t, n)
		v.Parts = append(v.Parts, letterPart{title, text})
		fmt.Fprintf(&b, "%s\n\n%s\n\n\n", title, text)
	}
	v.Subject = v.Parts[0].Title
	if m.Digest {
		v.Subject = t.T("letter.digest", "Count", len(m.Notices))
	}
	v.Subject = plain(v.Subject, 2*maxPurpose)
	fmt.Fprintf(&b, "%s:\n%s\n\n%s\n\n-- \n%s %s\n", v.SeeText, v.See, v.How, v.Why, v.ChooseText)
	if v.Choose != "" {
		fmt.Fprintf(&b, "%s\n", v.Choose)
	}
	l.Subject, l.Text = v.Subject, b.String()
	page, err := template.ParseFS(letters, "letters/letter.html")
	if err != nil {
		return Letter{}, fmt.Errorf("portal: letter: %w", err)
	}
	var html strings.Builder
	if err := page.Execute(&html, v); err != nil {
		return Letter{}, fmt.Errorf("portal: letter: %w", err)
	}
	l.HTML = html.String()
	return l, nil
}

// CodeLetter puts a one-time code into words, in the first language of the
// message that the pages have. The subject does not tell the code: it shows on
// locked screens.
func (p *Portal) CodeLetter(m login.Message) (Letter, error) {
	t := p.catalogue.texts[0]
	for _, lang := range slices.Backward(m.Locales) {
		if i := slices.Index(languages, lang); i >= 0 {
			t = p.catalogue.texts[i]
		}
	}
	v := codePage{
		Lang: t.Lang, Bank: p.c.UI.Bank(), Subject: plain(t.T("code.subject", "Bank", p.c.UI.Bank()), 2*maxPurpose),
		Here: t.T("code.here"), Code: m.Code, Match: t.T("code.match"), Reference: m.Reference,
		Life: t.T("code.life", "Count", int(login.CodeLife.Minutes())), Secret: t.T("stepup.secret"), Stranger: t.T("code.stranger"),
	}
	l := Letter{Lang: t.Lang, Subject: v.Subject, Text: fmt.Sprintf(
		"%s\n\n    %s\n\n%s %s\n%s\n\n%s\n%s\n", v.Here, v.Code, v.Match, v.Reference, v.Life, v.Secret, v.Stranger)}
	page, err := template.ParseFS(letters, "letters/code.html")
	if err != nil {
		return Letter{}, fmt.Errorf("portal: code letter: %w", err)
	}
	var html strings.Builder
	if err := page.Execute(&html, v); err != nil {
		return Letter{}, fmt.Errorf("portal: code letter: %w", err)
	}
	l.HTML = html.String()
	return l, nil
}

// codePage is what code.html gets.
type codePage struct {
	Lang, Bank, Subject, Here, Code, Match, Reference, Life, Secret, Stranger string
}
