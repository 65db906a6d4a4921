package portal

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/ui"
	"github.com/headgate/headgate/internal/web"
)

const (
	noticesPath     = "/portal/notices"
	preferencesPath = "/portal/notices/preferences"
)

// noticesLink returns the entry of the menu, with the number of notices that
// are new. A page can do without the number.
func (p *Portal) noticesLink(v *visit, current string) ui.Link {
	l := ui.Link{Text: v.t.T("frame.notices"), Href: noticesPath, Current: current == noticesPath}
	n, err := p.c.Inbox.Unread(v.Request.Context(), v.who)
	switch {
	case err != nil:
		web.Fields(v.Request.Context()).Cause = fmt.Errorf("count notices: %w", err)
	case n >= inbox.UnreadLimit:
		l.Badge, l.BadgeLabel = v.t.Number(n-1)+"+", v.t.T("notices.many", "Number", v.t.Number(n))
	case n > 0:
		l.Badge, l.BadgeLabel = v.t.Number(n), v.t.T("notices.unread", "Count", n)
	}
	return l
}

// noticesPage is what notices.html gets.
type noticesPage struct {
	page
	Title        string
	Rows         []noticeRow
	First        bool   // it is the newest page
	Older        string // address of the next page; empty on the last
	Newest, Mark string // what "mark all" is about; empty when all is read
	Preferences  string
}

func (p *Portal) getNotices(v *visit) {
	var after inbox.Place
	first := true
	if s := v.Query("before"); s != "" {
		at, ok := parsePlace(s)
		if !ok {
			see(v.Context, noticesPath) // a broken address starts at the newest
			return
		}
		after, first = at, false
	}
	p.showNotices(v, after, first, http.StatusOK, "")
}

func (p *Portal) showNotices(v *visit, after inbox.Place, first bool, status int, warning string) {
	ctx := v.Request.Context()
	all, err := p.c.Inbox.Notices(ctx, v.who, after, noticesLimit+1)
	if err != nil {
		p.away(v, fmt.Errorf("list notices: %w", err))
		return
	}
	d := noticesPage{page: page{text: v.t, Notice: warning}, Title: v.t.T("notices.title"), First: first, Preferences: preferencesPath}
	if len(all) > noticesLimit {
		all = all[:noticesLimit]
		d.Older = noticesPath + "?before=" + placeText(all[noticesLimit-1].Place())
	}
	for _, n := range all {
		if n.Consumer != v.who {
			continue // never another person's, whatever the store says
		}
		row := noticeRow{
			ID: n.ID.String(), Time: v.t.Moment(n.At), Topic: v.t.T("topic." + string(n.Kind.Topic())), New: !n.Read,
		}
		row.Title, row.Text = p.say(v.t, n)
		if n.Grant != "" {
			row.Page = grantPath(n.Grant)
		}
		if row.New {
			row.ReadID, row.Mark = "notice_read_"+strconv.Itoa(len(d.Rows)+1), p.c.Sessions.Mark(ctx, noticeMark(row.ID))
			if first && d.Newest == "" {
				d.Newest = placeText(all[0].Place())
				d.Mark = p.c.Sessions.Mark(ctx, noticeMark(d.Newest))
			}
		}
		d.Rows = append(d.Rows, row)
	}
	p.render(v, status, "notices", d.Title, noticesPath, d)
}

// noticeMark names the form that marks a notice, or all from a place on.
func noticeMark(what string) string { return "notice\n" + what }

// postNotices marks all that the page showed, and what is older, as read.
func (p *Portal) postNotices(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	newest, ok := parsePlace(form.Get("newest"))
	if !ok || !p.c.Sessions.Marked(v.Request.Context(), noticeMark(form.Get("newest")), form.Get("mark")) {
		p.showNotices(v, inbox.Place{}, true, http.StatusConflict, v.t.T("stale"))
		return
	}
	if err := p.c.Inbox.MarkAllRead(v.Request.Context(), v.who, newest); err != nil {
		p.away(v, fmt.Errorf("mark notices: %w", err))
		return
	}
	see(v.Context, noticesPath)
}

// postNotice marks one notice as read. One of another person is exactly as
// unknown as one that does not exist.
func (p *Portal) postNotice(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	text, clean := web.Param(v.Context, "id")
	id, err := uuid.Parse(text)
	if !clean || err != nil || id.String() != text {
		p.failed(v.Writer, v.Request, notFound, nil)
		return
	}
	// A mark for it is on a page of this session only if it is the person's.
	if !p.c.Sessions.Marked(v.Request.Context(), noticeMark(text), form.Get("mark")) {
		p.showNotices(v, inbox.Place{}, true, http.StatusConflict, v.t.T("stale"))
		return
	}
	err = p.c.Inbox.MarkRead(v.Request.Context(), v.who, id)
	switch {
	case errors.Is(err, consent.ErrNotFound):
		p.failed(v.Writer, v.Request, notFound, nil)
	case err != nil:
		p.away(v, fmt.Errorf("mark notice: %w", err))
	default:
		see(v.Context, noticesPath)
	}
}

// choiceRow is one thing that can be ticked or picked.
type choiceRow struct {
	ID, Value, Text string
	On              bool
}

// preferencesPage is what preferences.html gets.
type preferencesPage struct {
	page
	Title, Mark, Action, Back string
	Fixed                     []string
	Topics, Ways, Languages   []choiceRow
	Saved                     bool
}

const preferencesMark = "preferences"

func (p *Portal) getPreferences(v *visit) {
	p.showPreferences(v, http.StatusOK, "", v.Query("saved") == "1")
}

func (p *Portal) showPreferences(v *visit, status int, warning string, saved bool) {
	ctx := v.Request.Context()
	now, err := p.c.Inbox.Preferences(ctx, v.who)
	if err != nil {
		p.away(v, fmt.Errorf("load preferences: %w", err))
		return
	}
	now = now.Allowed()
	d := preferencesPage{
		page: page{text: v.t, Notice: warning}, Title: v.t.T("prefer.title"), Mark: p.c.Sessions.Mark(ctx, preferencesMark),
		Action: preferencesPath, Back: noticesPath, Saved: saved,
	}
	for _, topic := range inbox.Topics() {
		words := v.t.T("topic." + string(topic))
		if topic.Fixed() {
			d.Fixed = append(d.Fixed, words)
			continue
		}
		d.Topics = append(d.Topics, choiceRow{ID: "mail_" + string(topic), Value: string(topic), Text: words, On: !slices.Contains(now.Off, topic)})
	}
	d.Ways = []choiceRow{
		{ID: "digest_each", Value: "each", Text: v.t.T("prefer.each"), On: now.Digest == inbox.Each},
		{ID: "digest_weekly", Value: string(inbox.Weekly), Text: v.t.T("prefer.weekly"), On: now.Digest == inbox.Weekly},
		{ID: "digest_monthly", Value: string(inbox.Monthly), Text: v.t.T("prefer.monthly"), On: now.Digest == inbox.Monthly},
	}
	chosen := now.Locale
	if !slices.Contains(languages, chosen) {
		chosen = v.t.Lang
	}
	for _, lang := range languages {
		d.Languages = append(d.Languages, choiceRow{ID: "notice_language_" + lang, Value: lang, Text: languageNames[lang], On: lang == chosen})
	}
	p.render(v, status, "preferences", d.Title, noticesPath, d)
}

// languageNames are the languages as those who speak them call them.
var languageNames = map[string]string{"en": "English", "es": "Español", "fr": "Français", "sv": "Svenska", "zh": "中文"}

// postPreferences takes what the page offers and nothing else: a form with
// another field, or one that names what is fixed, did not come from it.
func (p *Portal) postPreferences(v *visit) {
	form, ok := p.form(v.Context)
	if !ok {
		return
	}
	ctx := v.Request.Context()
	if !p.c.Sessions.Marked(ctx, preferencesMark, form.Get("mark")) {
		p.showPreferences(v, http.StatusConflict, v.t.T("stale"), false)
		return
	}
	prefs := inbox.Preferences{Locale: form.Get("language"), Digest: inbox.Digest(form.Get("digest"))}
	if prefs.Digest == "each" {
		prefs.Digest = inbox.Each
	} else if prefs.Digest.Every() == 0 {
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown digest"))
		return
	}
	if !slices.Contains(languages, prefs.Locale) {
		p.failed(v.Writer, v.Request, badForm, errors.New("unknown language"))
		return
	}
	known := map[string]bool{"mark": true, "digest": true, "language": true}
	for _, topic := range inbox.Topics() {
		if topic.Fixed() {
			continue
		}
		name := "mail_" + string(topic)
		known[name] = true
		switch form.Get(name) {
		case "on":
		case "":
			prefs.Off = append(prefs.Off, topic)
		default:
			p.failed(v.Writer, v.Request, badForm, errors.New("unknown choice"))
			return
		}
	}
	for name := range form {
		if !known[name] {
			p.failed(v.Writer, v.Request, badForm, errors.New("unknown field"))
			return
		}
	}
	if err := p.c.Inbox.SetPreferences(ctx, v.who, prefs); err != nil {
		p.away(v, fmt.Errorf("store preferences: %w", err))
		return
	}
	see(v.Context, preferencesPath+"?saved=1")
}
