package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/suite"
)

// stage is where a story stands.
type stage struct {
	t     *suite.T
	story story
	// who the story has named: consents in use, and requests on their way.
	grants   map[string]*suite.Grant
	attempts map[string]*suite.Attempt
	// last is the latest answer, and page where the consumer is.
	last *suite.Response
	page *browser.Page
	on   *suite.Attempt // whose page it is
	// bends change the next request.
	bends []func(r *suite.Request) error
}

// verb is a kind of step.
type verb struct {
	form  string
	least int // how many words have to follow
	do    func(g *stage, w []string) error
}

// verbs are the steps that a story can take.
func verbs() map[string]verb {
	return map[string]verb{
		"consent":    {"consent NAME by A|B|certificate|signing [as PERSONA] [asking FILE] [accounts 0,1]", 3, (*stage).consent},
		"push":       {"push NAME by A|B|certificate|signing [as PERSONA] [asking FILE]", 3, (*stage).push},
		"approve":    {"approve NAME", 1, func(g *stage, w []string) error { return g.decide(w[0], suite.Approve) }},
		"deny":       {"deny NAME", 1, func(g *stage, w []string) error { return g.decide(w[0], suite.Deny) }},
		"returned":   {"returned code|ERROR", 1, (*stage).returned},
		"redeem":     {"redeem NAME", 1, (*stage).redeem},
		"read":       {"read NAME PATH", 2, (*stage).read},
		"refresh":    {"refresh NAME", 1, (*stage).refresh},
		"give-back":  {"give-back NAME", 1, (*stage).giveBack},
		"introspect": {"introspect NAME", 1, (*stage).introspect},
		"grant":      {"grant GET|DELETE NAME", 2, (*stage).grant},
		"steal":      {"steal NAME for OTHER: OTHER uses the tokens of NAME with its own key", 3, (*stage).steal},
		"bend":       {"bend form|header|proof|assertion NAME = VALUE: changes the next request", 4, (*stage).bend},
		"expect":     {"expect STATUS [error=CODE] [challenge=CODE] [fdx=CODE]", 1, (*stage).expect},
		"holds":      {"holds PATH [= JSON]: what the answer holds", 1, (*stage).holds},
		"lacks":      {"lacks PATH: what the answer does not hold", 1, (*stage).lacks},
	}
}

// play takes the steps of a story one by one.
func play(t *suite.T, file string, s story) {
	g := &stage{t: t, story: s, grants: map[string]*suite.Grant{}, attempts: map[string]*suite.Attempt{}}
	known := verbs()
	for _, step := range s.steps {
		where := fmt.Sprintf("%s:%d", file, step.line)
		t.At(where + ": " + step.verb + " " + strings.Join(step.words, " "))
		t.Logf("%s: %s %s", where, step.verb, strings.Join(step.words, " "))
		before := t.Failures()
		if err := known[step.verb].do(g, step.words); err != nil {
			t.Cannot("take the step", err)
		}
		if t.Failures() > before {
			return // what comes after would only repeat it
		}
	}
}

func (g *stage) app(name string) (*suite.App, error) {
	switch name {
	case "A":
		return g.t.A(), nil
	case "B":
		return g.t.B(), nil
	case "certificate":
		return g.t.ByCertificate(), nil
	case "signing":
		return g.t.Signing(), nil
	}
	return nil, fmt.Errorf("there is no app %s", name)
}

// asked reads NAME by APP and what follows.
func (g *stage) asked(w []string) (app *suite.App, ask suite.Ask, err error) {
	if w[1] != "by" {
		return nil, ask, errors.New("by is missing")
	}
	if app, err = g.app(w[2]); err != nil {
		return nil, ask, err
	}
	for i := 3; i+1 < len(w); i += 2 {
		switch w[i] {
		case "as":
			ask.Persona = w[i+1]
		case "asking":
			text, ok := g.story.files[w[i+1]]
			if !ok {
				return nil, ask, fmt.Errorf("the story has no file %s", w[i+1])
			}
			persona, accounts := ask.Persona, ask.Accounts
			if err := json.Unmarshal([]byte(text), &ask); err != nil {
				return nil, ask, fmt.Errorf("file %s: %w", w[i+1], err)
			}
			ask.Persona, ask.Accounts = persona, accounts
		case "accounts":
			ask.Accounts = []int{}
			for n := range strings.SplitSeq(w[i+1], ",") {
				number, err := strconv.Atoi(n)
				if err != nil {
					return nil, ask, fmt.Errorf("account %s is no number", n)
				}
				ask.Accounts = append(ask.Accounts, number)
			}
		default:
			return nil, ask, fmt.Errorf("what is %s", w[i])
		}
	}
	return app, ask, nil
}

func (g *stage) consent(w []string) error {
	app, ask, err := g.asked(w)
	if err == nil {
		g.grants[w[0]] = g.t.Grant(app, ask)
	}
	return err
}

func (g *stage) push(w []string) error {
	app, ask, err := g.asked(w)
	if err != nil {
		return err
	}
	r, a := g.t.PushRequest(app, ask)
	if err := g.send(r); err != nil {
		return err
	}
	a.RequestURI = g.last.Text("request_uri")
	g.attempts[w[0]] = a
	return nil
}

func (g *stage) send(r *suite.Request) error {
	for _, bend := range g.bends {
		if err := bend(r); err != nil {
			return err
		}
	}
	g.bends = nil
	g.last = g.t.Send(r)
	return nil
}

func (g *stage) attempt(name string) (*suite.Attempt, error) {
	if a := g.attempts[name]; a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("nothing was pushed as %s", name)
}

func (g *stage) held(name string) (*suite.Grant, error) {
	if one := g.grants[name]; one != nil {
		return one, nil
	}
	return nil, fmt.Errorf("there is no consent %s", name)
}

func (g *stage) decide(name string, decision suite.Decision) error {
	a, err := g.attempt(name)
	if err != nil {
		return err
	}
	g.on, g.page = a, g.t.Walk(g.t.Person(), a, g.t.AuthorizeURL(a), decision)
	return nil
}

func (g *stage) returned(w []string) error {
	if g.page == nil {
		return errors.New("nobody was sent anywhere")
	}
	code := w[0]
	if code == "code" {
		code = ""
	}
	g.on.Code = g.t.ExpectReturn(g.page.Left, g.on, code).Get("code")
	return nil
}

func (g *stage) redeem(w []string) error {
	a, err := g.attempt(w[0])
	if err != nil {
		return err
	}
	if err := g.send(g.t.TokenRequest(a)); err != nil {
		return err
	}
	if g.last.Status == http.StatusOK {
		g.grants[w[0]] = g.t.GrantOf(a, g.last)
	}
	return nil
}

func (g *stage) read(w []string) error {
	one, err := g.held(w[0])
	if err != nil {
		return err
	}
	return g.send(g.t.Read(one, w[1]))
}

func (g *stage) refresh(w []string) error {
	one, err := g.held(w[0])
	if err != nil {
		return err
	}
	key := suite.NewKey("ES256")
	if err := g.send(g.t.RefreshRequest(one, key)); err != nil {
		return err
	}
	if g.last.Status == http.StatusOK {
		next := *one
		next.Key, next.Access = key, g.last.Text("access_token")
		g.grants[w[0]] = &next
	}
	return nil
}

func (g *stage) giveBack(w []string) error {
	one, err := g.held(w[0])
	if err != nil {
		return err
	}
	return g.send(g.t.RevokeRequest(one.App, one.Refresh))
}

func (g *stage) introspect(w []string) error {
	one, err := g.held(w[0])
	if err != nil {
		return err
	}
	return g.send(g.t.IntrospectRequest(g.t.ResourceServer(), one.Access))
}

func (g *stage) grant(w []string) error {
	one, err := g.held(w[1])
	if err != nil {
		return err
	}
	scope := map[string]string{http.MethodGet: "grant_management_query", http.MethodDelete: "grant_management_revoke"}[w[0]]
	own := g.t.Own(one.App, scope)
	return g.send(g.t.Call(own, w[0], g.t.Endpoint(one.App, "grant_management_endpoint")+"/"+one.ID))
}

func (g *stage) steal(w []string) error {
	one, err := g.held(w[0])
	if err != nil {
		return err
	}
	thief := *one
	thief.Key = suite.NewKey("ES256")
	g.grants[w[2]] = &thief
	return nil
}

func (g *stage) bend(w []string) error {
	part, name, value := w[0], w[1], strings.Join(w[3:], " ")
	var decoded any
	if json.Unmarshal([]byte(value), &decoded) != nil {
		decoded = value
	}
	claim := func(j *suite.JWT) error {
		if j == nil {
			return fmt.Errorf("the request has no %s", part)
		}
		j.Claims[name] = decoded
		return nil
	}
	g.bends = append(g.bends, func(r *suite.Request) error {
		switch part {
		case "form":
			r.Form.Set(name, value)
		case "header":
			r.Header.Set(name, value)
		case "proof":
			return claim(r.Proof)
		case "assertion":
			return claim(r.Assertion)
		default:
			return fmt.Errorf("a request has no %s", part)
		}
		return nil
	})
	return nil
}

func (g *stage) expect(w []string) error {
	status, err := strconv.Atoi(w[0])
	if err != nil {
		return errors.New("the first word is a status")
	}
	want := suite.Answer{Status: status}
	for _, word := range w[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "error":
			want.Error = value
		case "challenge":
			want.Challenge = value
		case "fdx":
			want.FDX = value
		default:
			return fmt.Errorf("what is %s", word)
		}
	}
	g.t.Expect(g.last, want)
	return nil
}

func (g *stage) holds(w []string) error {
	got := g.last.Member(w[0])
	if len(w) < 3 {
		g.t.Check(got != nil, "the answer has no %s", w[0])
		return nil
	}
	var want any
	if err := json.Unmarshal([]byte(strings.Join(w[2:], " ")), &want); err != nil {
		return fmt.Errorf("what is expected is not JSON: %w", err)
	}
	one, _ := json.Marshal(got)
	other, _ := json.Marshal(want)
	g.t.Check(string(one) == string(other), "%s is something else", w[0])
	return nil
}

func (g *stage) lacks(w []string) error {
	g.t.Check(g.last.Member(w[0]) == nil, "the answer has %s", w[0])
	return nil
}
