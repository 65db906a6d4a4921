package portal

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/login"
)

var webAddresses = regexp.MustCompile(`https?://[^\s"<>]+`)

func TestLettersInEveryLanguage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, lang := range languages {
		for _, k := range inbox.Kinds() {
			n := inbox.Notice{Kind: k, App: "Budget\r\nBcc: a@b.example <script>", EndsAt: time.Date(2027, 11, 21, 0, 0, 0, 0, time.UTC)}
			for _, notices := range [][]inbox.Notice{{n}, {n, n}} {
				l, err := w.portal.Letter(inbox.Mail{Notices: notices, Locale: lang, Digest: len(notices) > 1})
				if err != nil {
					t.Fatal(err)
				}
				if l.Lang != lang || l.Subject == "" || strings.ContainsFunc(l.Subject, func(r rune) bool { return r < ' ' }) {
					t.Errorf("%s, %s: subject %q", lang, k, l.Subject)
				}
				if (l.Unsubscribe == "") != k.Topic().Fixed() {
					t.Errorf("%s: unsubscribe at %q", k, l.Unsubscribe)
				}
				all := l.Subject + l.Text + l.HTML
				for _, bad := range []string{"{{", "<no value>", "notice." + string(k), "letter.", "topic.", "<script", "<img", "src=", "\r"} {
					if strings.Contains(l.HTML, bad) || strings.Contains(l.Subject, bad) && bad[0] != '<' {
						t.Errorf("%s, %s: holds %s:\n%s", lang, k, bad, all)
					}
				}
				for _, a := range webAddresses.FindAllString(l.Text+l.HTML, -1) {
					if !strings.HasPrefix(a, "https://bank.example/portal/") {
						t.Errorf("%s, %s: links to %s", lang, k, a)
					}
				}
				if !strings.Contains(l.Text, "https://bank.example/portal/notices") {
					t.Errorf("%s, %s: no way to the notices", lang, k)
				}
			}
		}
	}
	if _, err := w.portal.Letter(inbox.Mail{}); err == nil {
		t.Error("a letter about nothing")
	}
}

func TestCodeLettersInEveryLanguage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := login.Message{Consumer: "c-ada", Code: "271828", Reference: "BCDFG"}
	for _, lang := range languages {
		m.Locales = []string{"xx", lang, "en"}
		l, err := w.portal.CodeLetter(m)
		if err != nil {
			t.Fatal(err)
		}
		if l.Lang != lang || l.Subject == "" || strings.Contains(l.Subject, m.Code) || l.Unsubscribe != "" {
			t.Errorf("%s: %s, subject %q", lang, l.Lang, l.Subject)
		}
		for _, text := range []string{l.Text, l.HTML} {
			if strings.Count(text, m.Code) != 1 || strings.Count(text, m.Reference) != 1 || !strings.Contains(text, "5") {
				t.Errorf("%s: lacks the code, its letters or its time:\n%s", lang, text)
			}
			for _, bad := range []string{"{{", "<no value>", "code.", "stepup.", "<script", "src=", "href="} {
				if strings.Contains(text, bad) {
					t.Errorf("%s: holds %s:\n%s", lang, bad, text)
				}
			}
		}
	}
	m.Locales = nil
	if l, err := w.portal.CodeLetter(m); err != nil || l.Lang != "en" {
		t.Errorf("no language: %s, %v", l.Lang, err)
	}
}

func TestLetterInWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := inbox.Notice{Kind: inbox.Ending1, App: "BudgetBee", EndsAt: time.Date(2027, 11, 21, 0, 0, 0, 0, time.UTC)}
	for lang, want := range map[string][2]string{
		"":   {"Sharing with BudgetBee ends in 1 day", "2 notices about the data you share"},
		"xx": {"Sharing with BudgetBee ends in 1 day", "2 notices about the data you share"},
		"es": {"Compartir con BudgetBee termina en 1 día", "2 avisos sobre los datos que comparte"},
		"fr": {"Le partage avec BudgetBee prend fin dans 1 jour", "2 avis sur les données que vous partagez"},
		"sv": {"Delningen med BudgetBee slutar om 1 dag", "2 meddelanden om data du delar"},
		"zh": {"与 BudgetBee 的共享将在 1 天后结束", "关于您共享数据的 2 条通知"},
	} {
		one, err := w.portal.Letter(inbox.Mail{Notices: []inbox.Notice{n}, Locale: lang})
		if err != nil || one.Subject != want[0] {
			t.Errorf("%s: %q, %v", lang, one.Subject, err)
		}
		two, err := w.portal.Letter(inbox.Mail{Notices: []inbox.Notice{n, n}, Locale: lang, Digest: true})
		if err != nil || two.Subject != want[1] || strings.Count(two.Text, want[0]) != 2 {
			t.Errorf("%s: %q, %v", lang, two.Subject, err)
		}
	}
	bank := *w.portal
	bank.c.MailLanguage = "sv"
	if l, err := bank.Letter(inbox.Mail{Notices: []inbox.Notice{n}}); err != nil || l.Lang != "sv" {
		t.Errorf("the bank's language: %s, %v", l.Lang, err)
	}
}
