package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

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
