package fdx_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/headgate/headgate/fdx"
)

func TestErasureReplies(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]fdx.ErasureReply{
		`{"outcome":"DONE"}`:                                                {Outcome: fdx.ErasureDone},
		`{"outcome":"DONE","reason":""}`:                                    {Outcome: fdx.ErasureDone},
		`{"more":1,"outcome":"PARTLY","reason":"é"}`:                        {Outcome: fdx.ErasurePartly, Reason: "é"},
		`{"outcome":"REFUSED","reason":"A law <b>."}`:                       {Outcome: fdx.ErasureRefused, Reason: "A law <b>."},
		`{"outcome":"REFUSED","reason":"` + strings.Repeat("é", 240) + `"}`: {Outcome: fdx.ErasureRefused, Reason: strings.Repeat("é", 240)},
	} {
		if got, err := fdx.ParseErasureReply([]byte(body)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	for name, body := range map[string]string{
		"nothing":              ``,
		"no outcome":           `{}`,
		"another outcome":      `{"outcome":"done"}`,
		"done for a reason":    `{"outcome":"DONE","reason":"x"}`,
		"partly for none":      `{"outcome":"PARTLY"}`,
		"refused for none":     `{"outcome":"REFUSED","reason":""}`,
		"a blank reason":       `{"outcome":"REFUSED","reason":" "}`,
		"space around":         `{"outcome":"REFUSED","reason":"x "}`,
		"two lines":            `{"outcome":"REFUSED","reason":"a\nb"}`,
		"a control character":  `{"outcome":"REFUSED","reason":"a\u0000b"}`,
		"letters turned round": `{"outcome":"REFUSED","reason":"a\u202eb"}`,
		"half a character":     `{"outcome":"REFUSED","reason":"\ud800"}`,
		"too long":             `{"outcome":"REFUSED","reason":"` + strings.Repeat("é", 241) + `"}`,
		"twice":                `{"outcome":"DONE","outcome":"REFUSED"}`,
		"two objects":          `{"outcome":"DONE"}{}`,
		"a list":               `[{"outcome":"DONE"}]`,
		"too large":            `{"outcome":"DONE","x":"` + strings.Repeat("x", fdx.MaxBodyLength) + `"}`,
	} {
		if got, err := fdx.ParseErasureReply([]byte(body)); !errors.Is(err, fdx.ErrInvalidInput) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if text, err := json.Marshal(fdx.ErasureRequestsAnswer{}); err != nil || string(text) != `{"erasureRequests":[]}` {
		t.Errorf("%s, %v", text, err)
	}
}

func FuzzParseErasureReply(f *testing.F) {
	f.Add([]byte(`{"outcome":"DONE"}`))
	f.Add([]byte(`{"outcome":"PARTLY","reason":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := fdx.ParseErasureReply(body)
		if err == nil && ((r.Outcome == fdx.ErasureDone) != (r.Reason == "") || utf8.RuneCountInString(r.Reason) > fdx.MaxErasureReason || !utf8.ValidString(r.Reason)) {
			t.Errorf("%+v", r)
		}
	})
}
