package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/consent"
)

func speaks(t *testing.T, w http.Header, body, lang string) {
	t.Helper()
	if got := w.Get("Content-Language"); got != lang || !strings.Contains(body, `<html lang="`+lang+`">`) {
		t.Errorf("the page speaks %s, not %s", got, lang)
	}
}

func TestChosenLanguageComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pending.UILocales = []string{"fr"}
	p := w.person("es")
	page := p.arrive()
	speaks(t, page.Header, string(page.Body), "fr")
	// The switch leads back to where it stands, each language in its own words.
	for lang, name := range map[string]string{"en": "English", "es": "Español", "fr": "Français", "sv": "Svenska", "zh": "中文"} {
		if !strings.Contains(string(page.Body), `lang="`+lang+`"`) || !strings.Contains(page.Text(), name) {
			t.Errorf("the switch lacks %s", lang)
		}
	}
	here := page.URL.Path
	page = p.open("/portal/language/sv?to=" + url.QueryEscape(here))
	p.on(page, http.StatusOK, here)
	speaks(t, page.Header, string(page.Body), "sv")
	// It stays, through sign-in, to the last page and to the portal.
	page = p.signIn(page, "ada")
	speaks(t, page.Header, string(page.Body), "sv")
	page = p.open("/portal")
	speaks(t, page.Header, string(page.Body), "sv")
	if w.auth().Version != 2 {
		t.Errorf("the choice touched the decision: version %d", w.auth().Version)
	}
}

// A yes counts for the words that were on the screen.
func TestYesInAnotherLanguageIsAskedForAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.person()
	review := p.toReview()
	p.open("/portal/language/zh")
	page := p.press(review, "consent_approve")
	p.on(page, http.StatusConflict, "/consent/"+string(w.auth().ID)+"/review")
	speaks(t, page.Header, string(page.Body), "zh")
	p.press(page, "consent_approve")
	if got := w.auth().Disclosure.Locale; w.auth().Decision != consent.Approved || got != "zh" {
		t.Errorf("%s in %s", w.auth().Decision, got)
	}
}

// What is agreed to is in a language of the rules, whatever the person speaks,
// and also in the one that they have every disclosure offer.
func TestDisclosureIsInALanguageOfTheRules(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		all             []string
		also, own, read string
		page, link      string // the language of the page, and the one it links to
	}{
		"their own":                        {[]string{"en", "sv"}, "", "sv", "", "sv", ""},
		"not one of them: the first":       {[]string{"fr", "en"}, "", "sv", "", "fr", ""},
		"their own, with a link":           {[]string{"en", "sv"}, "en", "sv", "", "sv", "en"},
		"the first, with a link":           {[]string{"fr", "en"}, "en", "sv", "", "fr", "en"},
		"no link to itself":                {[]string{"en", "sv"}, "en", "en", "", "en", ""},
		"the link was followed":            {[]string{"en", "sv"}, "en", "sv", "?in=en", "en", "sv"},
		"the link was followed, the first": {[]string{"fr", "en"}, "en", "sv", "?in=en", "en", "fr"},
		"one that nobody offered":          {[]string{"en", "sv", "zh"}, "en", "sv", "?in=zh", "sv", "en"},
		"one that there is not":            {[]string{"en", "sv"}, "en", "sv", "?in=xx", "sv", "en"},
		"nothing is offered":               {[]string{"en", "sv"}, "", "sv", "?in=en", "sv", ""},
		"twice":                            {[]string{"en", "sv"}, "en", "sv", "?in=en&in=en", "sv", "en"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.disclosed, w.also = c.all, c.also
			p := w.person(c.own)
			page := p.toReview()
			page = p.open(page.URL.Path + c.read)
			sound(t, page)
			speaks(t, page.Header, string(page.Body), c.page)
			if page.Has("review_also") != (c.link != "") || c.link != "" && !strings.Contains(string(page.Body), `id="review_also" lang="`+c.link+`"`) {
				t.Errorf("the link does not lead to %q: %s", c.link, page)
			}
			w.grants = nil
			p.press(page, "consent_approve")
			a := w.auth()
			if a.Decision != consent.Approved || a.Disclosure.Locale != c.page || a.Disclosure.Text != disclosed(page, a.Disclosure.Text) {
				t.Errorf("%s in %q: %s", a.Decision, a.Disclosure.Locale, a.Disclosure.Text)
			}
		})
	}
}

// disclosed returns text if each of its lines is on the page.
func disclosed(page *browser.Page, text string) string {
	for line := range strings.Lines(text) {
		for _, word := range strings.Fields(strings.Trim(line, "[]\n")) {
			if word = strings.Trim(word, "[]:"); word != "→" && !strings.Contains(page.Text(), word) {
				return "lacks " + word
			}
		}
	}
	return text
}

// A yes to one language is none to another.
func TestYesToAnotherLanguageOfTheRulesIsAskedForAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.disclosed, w.also = []string{"en", "sv"}, "en"
	p := w.person("sv")
	page := p.toReview()
	page = p.bent(page, "consent_approve", func(s *browser.Submission) { s.Form.Set("in", "en") })
	p.on(page, http.StatusConflict, "/review")
	speaks(t, page.Header, string(page.Body), "en")
	if w.auth().Decision != consent.Undecided {
		t.Error("decided")
	}
}

func TestLanguageSwitchLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	for name, query := range map[string]string{
		"no address":          "",
		"another site":        "?to=https://else.example/",
		"another host":        "?to=//else.example/",
		"a backslash":         "?to=/%5Celse.example",
		"a line end":          "?to=/portal%0d%0aX-Evil:1",
		"an address too long": "?to=/" + strings.Repeat("a", maxReturn),
		"a script":            "?to=javascript:alert(1)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.person()
			p.toAccounts()
			p.on(p.open("/portal/language/fr"+query), http.StatusOK, "/portal")
		})
	}
	w := newWorld(t)
	p := w.person()
	p.problem(p.open("/portal/language/xx?to=/portal"), http.StatusNotFound, "not_found")
	p.problem(p.open("/portal/language/fr?to=/portal&to=/portal"), http.StatusNotFound, "not_found")
	page := p.open("/portal/login")
	speaks(t, page.Header, string(page.Body), "en")
}

func TestLanguageCookieIsOnlyALanguage(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"sv": "sv", "xx": "", "": "", "sv ": "sv", "SV": "", "../sv": "", "sv,fr": ""} {
		r, err := http.NewRequest(http.MethodGet, "https://bank.example/portal", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", languageCookie+"="+value)
		if got := chosenLanguage(r); got != want {
			t.Errorf("%q is %q, want %q", value, got, want)
		}
	}
}
