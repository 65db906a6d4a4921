package portal

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headgate/headgate/internal/ui"
	"github.com/headgate/headgate/internal/web"
)

// languagePath is where the language switch of the frame leads.
const languagePath = "/portal/language/"

// languageCookie keeps the language that the person chose. It says nothing
// else, so it outlives the session: who chose once is not asked again.
const languageCookie = "__Host-headgate-language"

const (
	languageAge = 365 * 24 * 60 * 60 // seconds
	maxReturn   = 2048               // of the address to go back to, in bytes
)

// getLanguage keeps a choice and goes back to the page that it was made on.
func (p *Portal) getLanguage(g *gin.Context) {
	lang, _ := web.Param(g, "lang")
	to := g.Request.URL.Query()["to"]
	if !slices.Contains(languages, lang) || len(to) > 1 {
		p.failed(g.Writer, g.Request, notFound, errors.New("no such language"))
		return
	}
	http.SetCookie(g.Writer, &http.Cookie{
		Name: languageCookie, Value: lang, Path: "/", MaxAge: languageAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	back := homePath
	if len(to) == 1 && len(to[0]) <= maxReturn && ownPath(to[0]) != "" {
		back = to[0]
	}
	see(g, back)
}

// chosenLanguage returns what the person chose; "" for none, and for anything
// that is not one of ours.
func chosenLanguage(r *http.Request) string {
	c, err := r.Cookie(languageCookie)
	if err != nil || !slices.Contains(languages, c.Value) {
		return ""
	}
	return c.Value
}

// languageLinks are the switch as it stands on the page at that address.
func (p *Portal) languageLinks(t *text) []ui.Link {
	links := make([]ui.Link, 0, len(languages))
	for i, lang := range languages {
		links = append(links, ui.Link{
			// Each in its own language: who needs it reads no other.
			Text: p.catalogue.texts[i].T("frame.own_name"), Lang: lang, Current: lang == t.Lang,
			Href: languagePath + lang + "?" + url.Values{"to": {t.here}}.Encode(),
		})
	}
	return links
}

// here is the address to which the language switch of an answer goes back. A
// form is not sent again, and what an app put into the address of the
// authorization endpoint, or a provider into the way back, is not repeated on a
// page.
func here(r *http.Request) string {
	if r.Method == http.MethodGet && !strings.HasPrefix(r.URL.Path, "/authorize") && r.URL.Path != ReturnPath {
		return r.URL.RequestURI()
	}
	return r.URL.EscapedPath()
}
