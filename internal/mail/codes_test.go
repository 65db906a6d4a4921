package mail

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/login"
)

func TestCodesGoByMail(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	down := errors.New("connection refused")
	for name, c := range map[string]struct {
		desk desk
		want error
		sent int
	}{
		"sent":       {desk{address: "ada@customer.example"}, nil, 1},
		"no address": {desk{}, consent.ErrNotFound, 0},
		"refused":    {desk{address: "ada@customer.example", sendErr: ErrRefused}, ErrRefused, 1},
		"down":       {desk{address: "ada@customer.example", sendErr: down}, down, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &c.desk
			codes, err := NewCodes(CodesConfig{
				Addresses: d, Send: d, Now: func() time.Time { return at },
				Write: func(m login.Message) (Message, error) {
					return Message{Lang: m.Locales[0], Subject: "Code", Text: m.Code + " " + m.Reference, HTML: m.Code}, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			err = codes.Send(t.Context(), login.Message{Consumer: "c-ada", Code: "314159", Reference: "BCDFG", Locales: []string{"sv"}})
			if !errors.Is(err, c.want) || len(d.sent) != c.sent {
				t.Fatalf("%v, %d sent", err, len(d.sent))
			}
			if err != nil && strings.Contains(err.Error(), "314159") {
				t.Error("the error tells the code")
			}
			if c.sent == 0 {
				return
			}
			if m := d.sent[0]; m.To != d.address || m.Lang != "sv" || !m.At.Equal(at) || m.ID == "" || m.Unsubscribe != "" || !strings.Contains(m.Text, "314159") {
				t.Errorf("sent %+v", m)
			}
		})
	}
	if _, err := NewCodes(CodesConfig{}); err == nil {
		t.Error("codes without anything")
	}
}
