package portal

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/headgate/headgate/fdx"
)

// locales has a folder per language with a file per family of pages.
//
//go:embed locales
var locales embed.FS

// languages are the languages of the pages. The first is the one that
// everybody gets whose own is missing.
var languages = []string{"en", "es", "fr", "sv", "zh"}

// Languages returns the languages of the pages (BCP 47), the default first.
func Languages() []string { return slices.Clone(languages) }

// catalogue holds the texts of every language. It is safe for concurrent use.
type catalogue struct {
	matcher language.Matcher
	texts   []*text // in the order of languages
}

func newCatalogue(zone *time.Location) (*catalogue, error) {
	bundle := i18n.NewBundle(language.English)
	var tags []language.Tag
	c := &catalogue{}
	for _, lang := range languages {
		if err := read(bundle, lang); err != nil {
			return nil, fmt.Errorf("portal: read texts: %w", err)
		}
		tag := language.MustParse(lang)
		tags = append(tags, tag)
		c.texts = append(c.texts, &text{
			Lang: lang, loc: i18n.NewLocalizer(bundle, lang), num: message.NewPrinter(tag), zone: zone,
		})
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}

// read adds the texts of a language to the bundle.
func read(bundle *i18n.Bundle, lang string) error {
	files, err := fs.Glob(locales, "locales/"+lang+"/*.json")
	if err != nil {
		return err
	}
	for _, name := range files {
		b, err := locales.ReadFile(name)
		if err == nil {
			// The name that it takes the language from.
			_, err = bundle.ParseMessageFileBytes(b, lang+".json")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// maxAcceptLanguage bounds the header that is looked at, in bytes.
const maxAcceptLanguage = 512

// pick returns the texts in the language that the person chose, else in the
// one that the app asked for on the person's behalf (ui_locales), else in the
// one that the browser asks for, else in English. chosen is one of languages
// or empty.
func (c *catalogue) pick(chosen string, uiLocales []string, acceptLanguage string) *text {
	if i := slices.Index(languages, chosen); i >= 0 {
		return c.texts[i]
	}
	var wanted []language.Tag
	for _, l := range uiLocales[:min(len(uiLocales), 10)] {
		if tag, err := language.Parse(l); err == nil {
			wanted = append(wanted, tag)
		}
	}
	if t, ok := c.match(wanted); ok {
		return t
	}
	if len(acceptLanguage) <= maxAcceptLanguage {
		// An error means that the header makes no sense as a whole.
		if tags, _, err := language.ParseAcceptLanguage(acceptLanguage); err == nil {
			if t, ok := c.match(tags); ok {
				return t
			}
		}
	}
	return c.texts[0]
}

func (c *catalogue) match(wanted []language.Tag) (*text, bool) {
	if len(wanted) == 0 {
		return nil, false
	}
	_, i, confidence := c.matcher.Match(wanted...)
	return c.texts[i], confidence > language.No
}

// in returns the texts in one of languages.
func (c *catalogue) in(lang string) *text { return c.texts[slices.Index(languages, lang)] }

// agreeing returns the texts in the language in which a person who talks with
// us in t's agrees to something: the same if the rules of the place have it,
// else their first. asked is the language that the rules have every disclosure
// offer as well, if the person asked for it; any other is none.
func (p *Portal) agreeing(t *text, asked string) *text {
	all, also := p.c.Rules.Languages()
	lang := t.Lang
	switch {
	case asked != "" && asked == also:
		lang = also
	case !slices.Contains(all, lang):
		lang = all[0]
	}
	if lang == t.Lang {
		return t
	}
	other := *p.catalogue.in(lang)
	other.here = t.here
	return &other
}

// text says things in one language. It is safe for concurrent use.
type text struct {
	Lang string // BCP 47
	loc  *i18n.Localizer
	num  *message.Printer
	zone *time.Location
	// here is the address of the page that is made, for the language switch.
	here string
}

// T returns the message with that key. pairs are placeholders and their
// values: T("way.app", "App", name). An int under "Count" chooses the plural
// form and gives the placeholder N. A key that is not in the catalogue gives
// the key; a test looks for that in every page.
func (t *text) T(key string, pairs ...any) string {
	c := &i18n.LocalizeConfig{MessageID: key}
	data := make(map[string]any, len(pairs)/2+1)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		if n, ok := pairs[i+1].(int); ok && name == "Count" {
			c.PluralCount = n
			data["N"] = t.Number(n)
			continue
		}
		data[name] = pairs[i+1]
	}
	c.TemplateData = data
	s, err := t.loc.Localize(c)
	if err != nil {
		return key
	}
	return s
}

// has reports whether the catalogue knows the key.
func (t *text) has(key string) bool {
	_, err := t.loc.Localize(&i18n.LocalizeConfig{MessageID: key})
	return err == nil
}

// list joins the entries of a list.
func (t *text) list(entries []string) string {
	if t.Lang == "zh" {
		return strings.Join(entries, "、")
	}
	return strings.Join(entries, ", ")
}

// Number returns n with the language's grouping.
func (t *text) Number(n int) string { return t.num.Sprintf("%d", n) }

// Date returns the day of at in the bank's time zone, such as 21 November
// 2027; "" for no time.
func (t *text) Date(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	year, month, day := at.In(t.zone).Date()
	return t.date(year, month, day)
}

// Day is Date for a calendar date, which has no time zone.
func (t *text) Day(d fdx.Date) string {
	if d.IsZero() {
		return ""
	}
	year, month, day := d.Time().Date()
	return t.date(year, month, day)
}

// Moment returns day and time of at in the bank's time zone.
func (t *text) Moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	at = at.In(t.zone)
	if t.Lang == "zh" {
		return t.Date(at) + at.Format(" 15:04")
	}
	return t.Date(at) + at.Format(", 15:04")
}

// Zone names the bank's time zone at that time, such as UTC or CET.
func (t *text) Zone(at time.Time) string {
	name, _ := at.In(t.zone).Zone()
	return name
}

// months are the names of the months where a date needs them.
var months = map[string][]string{
	"en": strings.Fields("January February March April May June July August September October November December"),
	"es": strings.Fields("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
	"fr": strings.Fields("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
	"sv": strings.Fields("januari februari mars april maj juni juli augusti september oktober november december"),
}

func (t *text) date(year int, month time.Month, day int) string {
	if t.Lang == "zh" {
		return fmt.Sprintf("%d年%d月%d日", year, month, day)
	}
	name := months[t.Lang][month-1]
	switch {
	case t.Lang == "es":
		return fmt.Sprintf("%d de %s de %d", day, name, year)
	case t.Lang == "fr" && day == 1:
		return fmt.Sprintf("1er %s %d", name, year)
	default:
		return fmt.Sprintf("%d %s %d", day, name, year)
	}
}
