package browser_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/conformance/browser"
)

// load opens one page with this body.
func load(t *testing.T, body string) (*site, *browser.Browser, *browser.Page) {
	t.Helper()
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) { writeHTML(w, body) })
	b := s.browser(t)
	p, err := b.Open(t.Context(), s.URL+"/folder/page?q=1")
	if err != nil {
		t.Fatal(err)
	}
	return s, b, p
}

func TestWhatAFormSends(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, form, want string // method, path and query, entries
	}{
		{"fields of every kind", `<form method=post action=/a><input name=text value=1><input name=hid type=hidden value=2>
			<input name=pw type=password value=3><textarea name=area>
4
5</textarea><button id=go>Go</button></form>`, "POST /a area=4%0D%0A5&hid=2&pw=3&text=1"},
		{"the pressed button alone", `<form method=POST action=/a><button name=b value=1>x</button><button id=go name=b value=2>y</button>
			<input type=submit name=b value=3></form>`, "POST /a b=2"},
		{"an input as button", `<form method=post action=/a><input type=submit id=go name=b value=3></form>`, "POST /a b=3"},
		{"the button's own address and method", `<form method=post action=/a><button id=go formaction=/b formmethod=get>x</button></form>`, "GET /b "},
		{"no action means this page", `<form method=post><button id=go>x</button></form>`, "POST /folder/page?q=1 "},
		{"a relative action", `<form method=post action=next><button id=go>x</button></form>`, "POST /folder/next "},
		{"a base", `<base href=/other/><form method=post action=next><button id=go>x</button></form>`, "POST /other/next "},
		{"GET is the default and replaces the query", `<form><input name=a value=1><button id=go>x</button></form>`, "GET /folder/page?a=1 "},
		{"ticked boxes only, on without a value", `<form method=post action=/a><input type=checkbox name=c value=1 checked><input type=checkbox name=c value=2>
			<input type=checkbox name=d checked><input type=radio name=r value=1><input type=radio name=r value=2 checked><button id=go>x</button></form>`, "POST /a c=1&d=on&r=2"},
		{"what is disabled or nameless stays", `<form method=post action=/a><input name=a value=1 disabled><input value=2>
			<fieldset disabled><input name=b value=1></fieldset><button id=go>x</button></form>`, "POST /a "},
		{"controls elsewhere on the page", `<form id=f method=post action=/a><input name=a value=1></form><input name=b value=2 form=f><input name=c value=3>
			<button id=go form=f>x</button>`, "POST /a a=1&b=2"},
		{"select: chosen, first, several", `<form method=post action=/a><select name=s><option value=1>x<option value=2 selected>y</select>
			<select name=t><option disabled>no<option> one  word </select><select name=m multiple><option selected>1<option>2<option selected>3</select>
			<button id=go>x</button></form>`, "POST /a m=1&m=3&s=2&t=one+word"},
		{"noscript counts", `<noscript><form method=post action=/a><button id=go>x</button></form></noscript>`, "POST /a "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, b, p := load(t, tt.form)
			if _, err := b.Press(t.Context(), p, "go"); err != nil {
				t.Fatal(err)
			}
			r := s.last()
			if got := r.Method + " " + r.URL.RequestURI() + " " + r.PostForm.Encode(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestFillingIn(t *testing.T) {
	t.Parallel()
	s, b, p := load(t, `<form method=post action=/a><input id=name name=name value=old><textarea id=area name=area>old</textarea>
		<select id=list name=list><option value=1 selected>x<option value=2>y</select>
		<input type=checkbox id=box1 name=box value=1><input type=checkbox id=box2 name=box value=2 checked>
		<input type=radio id=r1 name=r value=1 checked><input type=radio id=r2 name=r value=2><button id=go>x</button></form>
		<form><input type=radio id=other name=r checked></form>`)
	for _, err := range []error{
		p.Fill("name", "new & old"), p.Fill("area", "new"), p.Fill("list", "2"),
		p.Tick("box1"), p.Untick("box2"), p.Tick("r2"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !p.Ticked("box1") || p.Ticked("box2") || p.Ticked("r1") || !p.Ticked("other") || p.Ticked("missing") {
		t.Error("Ticked does not tell what is ticked")
	}
	if _, err := b.Press(t.Context(), p, "go"); err != nil {
		t.Fatal(err)
	}
	if got, want := s.last().PostForm.Encode(), "area=new&box=1&list=2&name=new+%26+old&r=2"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatAPersonCannotDo(t *testing.T) {
	t.Parallel()
	_, b, p := load(t, `<form method=post action=/a><input id=hid type=hidden name=h><input id=off disabled><input id=ro readonly>
		<input id=box type=checkbox><input id=boxoff type=checkbox disabled><fieldset disabled><input id=fs></fieldset>
		<input id=twice><input id=twice><select id=list><option value=1></select><p id=para>x</p>
		<button id=off_button disabled>x</button><button id=plain type=button>x</button><button id=multi formenctype=multipart/form-data>x</button>
		<button id=put formmethod=put>x</button></form>
		<button id=orphan>x</button><form method=post action=https://evil.example/><button id=evil>x</button></form>
		<form method=post><input id=must name=m required><button id=hold>x</button><button id=free formnovalidate>x</button></form>
		<form method=post><input type=checkbox id=agree name=m required><button id=hold2>x</button></form>
		<a id=away href=https://evil.example/>x</a><a id=script href=javascript:alert(1)>x</a>`)
	press := func(id string) error { _, err := b.Press(t.Context(), p, id); return err }
	tests := []struct {
		name string
		err  error
		want error
	}{
		{"fill a hidden field", p.Fill("hid", "x"), browser.ErrElement},
		{"fill a disabled field", p.Fill("off", "x"), browser.ErrElement},
		{"fill a field of a disabled group", p.Fill("fs", "x"), browser.ErrElement},
		{"fill a read-only field", p.Fill("ro", "x"), browser.ErrElement},
		{"fill a checkbox", p.Fill("box", "x"), browser.ErrElement},
		{"fill a paragraph", p.Fill("para", "x"), browser.ErrElement},
		{"fill what is not there", p.Fill("missing", "x"), browser.ErrElement},
		{"fill what is there twice", p.Fill("twice", "x"), browser.ErrElement},
		{"choose an option that is not there", p.Fill("list", "2"), browser.ErrElement},
		{"tick a disabled box", p.Tick("boxoff"), browser.ErrElement},
		{"tick a text field", p.Tick("twice"), browser.ErrElement},
		{"press what is not there", press("missing"), browser.ErrElement},
		{"press a disabled button", press("off_button"), browser.ErrElement},
		{"press a button for scripts", press("plain"), browser.ErrElement},
		{"press a button without a form", press("orphan"), browser.ErrElement},
		{"press a paragraph", press("para"), browser.ErrElement},
		{"send multipart", press("multi"), browser.ErrElement},
		{"send PUT", press("put"), browser.ErrElement},
		{"send a form to another site", press("evil"), browser.ErrOutside},
		{"follow a link to another site", press("away"), browser.ErrOutside},
		{"follow a link to a script", press("script"), browser.ErrOutside},
		{"leave a required field empty", press("hold"), browser.ErrBlocked},
		{"leave a required box unticked", press("hold2"), browser.ErrBlocked},
		{"skip validation where the page allows it", press("free"), nil},
	}
	for _, tt := range tests {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, tt.err, tt.want)
		}
	}
}

func TestABentSubmissionIsSentAsItIs(t *testing.T) {
	t.Parallel()
	s, b, p := load(t, `<form method=post action=/a><input type=hidden name=csrf value=1><button id=go name=b value=1>x</button></form>`)
	bent, err := p.Submission("go")
	if err != nil {
		t.Fatal(err)
	}
	bent.Form.Del("csrf")
	bent.Form["b"] = []string{"1", "1"}
	bent.Header = http.Header{"Origin": {"https://evil.example"}, "sec-fetch-site": nil, "x-extra": {"1"}}
	if _, err := b.Submit(context.WithoutCancel(t.Context()), bent); err != nil {
		t.Fatal(err)
	}
	r := s.last()
	_, fetchSite := r.Header["Sec-Fetch-Site"]
	if r.PostForm.Encode() != "b=1&b=1" || r.Header.Get("Origin") != "https://evil.example" || fetchSite || r.Header.Get("X-Extra") != "1" {
		t.Errorf("the server saw %v with %v", r.PostForm, r.Header)
	}
}

func TestReadingAPage(t *testing.T) {
	t.Parallel()
	_, _, p := load(t, `<style>p{}</style><script>x</script><h1 id=head>Share
		your <b>data</b>?</h1><template>no</template><p hidden>no</p><ul><li>one</li><li>two</li></ul><input id=account_1 disabled><input id=account_2>`)
	if got, want := p.Text(), "Share your data?\none\ntwo"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if p.Title() != "The title" {
		t.Errorf("title %q", p.Title())
	}
	if got := strings.Join(p.IDs("account_"), " "); got != "account_1 account_2" || p.Has("account") || !p.Has("head") {
		t.Errorf("ids %s", got)
	}
	if text, err := p.TextOf("head"); text != "Share your data?" || err != nil {
		t.Errorf("text of head %q, %v", text, err)
	}
	if _, err := p.TextOf("missing"); !errors.Is(err, browser.ErrElement) {
		t.Errorf("text of a missing element: %v", err)
	}
	if _, disabled := p.Attr("account_1", "disabled"); !disabled {
		t.Error("account_1 is not disabled")
	}
	if _, disabled := p.Attr("account_2", "disabled"); disabled {
		t.Error("account_2 is disabled")
	}
}

func TestWhatIsNotHTMLHasNoElements(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`<p id=oauth_error>no</p>`))
	})
	p, err := s.browser(t).Open(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if p.Has("oauth_error") || p.Text() != "" || len(p.Body) == 0 {
		t.Errorf("JSON was read as a page: %s", p)
	}
}
