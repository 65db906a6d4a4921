package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/headgate/headgate/consent"
)

// What people are shown comes from a Recipient, and nothing that was not
// approved word for word is ever in one.
func TestABenefitThatIsNotApprovedIsInNoRecipient(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), openDB(t)
	s, r := db.Registrations(), operators("benefit")
	const words, others = "See it all in one place", "Get rich by Friday"
	shown := func(what, want string) {
		t.Helper()
		one, err := db.Recipients().Recipient(ctx, r.Recipient.ID)
		if err != nil || one.Benefit != want {
			t.Errorf("%s: a page gets %q (%v), want %q", what, one.Benefit, err, want)
		}
		reg, err := s.ByID(ctx, r.Recipient.ID)
		if err != nil || reg.Recipient.Benefit != want {
			t.Errorf("%s: a registration has %q (%v), want %q", what, reg.Recipient.Benefit, err, want)
		}
		all, err := db.Recipients().ListRecipients(ctx)
		for _, one := range all {
			if one.ID == r.Recipient.ID && one.Benefit != want || one.ID != r.Recipient.ID && one.Benefit != "" {
				t.Errorf("%s: the list has %q for %s", what, one.Benefit, one.ID)
			}
		}
		if err != nil {
			t.Error(err)
		}
		b, err := s.Benefit(ctx, r.Recipient.ID)
		if err != nil || b.Approved != (want != "") || want != "" && b.Words != want {
			t.Errorf("%s: %+v (%v)", what, b, err)
		}
	}
	register := func(words string) {
		t.Helper()
		record, err := json.Marshal(map[string]string{"client_name": "x", "benefit": words})
		if err != nil {
			t.Fatal(err)
		}
		r.Record, r.Recipient.Benefit = record, words // which nothing stores
		if _, err := s.Enrol(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what, words string) {
		t.Helper()
		if err := s.ApproveBenefit(ctx, r.Recipient.ID, words); !errors.Is(err, consent.ErrConflict) {
			t.Errorf("%s: %v, want ErrConflict", what, err)
		}
	}

	register(words)
	shown("as it was registered", "")
	refused("other words", others)
	refused("no words", "")
	refused("in other case", "see it all in one place")
	shown("after refusals", "")
	if err := s.ApproveBenefit(ctx, r.Recipient.ID, words); err != nil {
		t.Fatal(err)
	}
	shown("approved", words)
	if err := db.Recipients().PutRecipient(ctx, r.Recipient); err != nil {
		t.Fatal(err)
	}
	shown("stored again", words)
	register(others)
	shown("registered in other words", "")
	refused("words of before", words)
	register("")
	shown("registered without", "")
	refused("nothing", "")
	register(words)
	shown("in the approved words again", words)
	if err := s.WithdrawBenefit(ctx, r.Recipient.ID); err != nil {
		t.Fatal(err)
	}
	shown("withdrawn", "")

	// The same by the client's own hand.
	reg, err := s.ByID(ctx, r.Recipient.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ApproveBenefit(ctx, r.Recipient.ID, words); err != nil {
		t.Fatal(err)
	}
	reg.Record = json.RawMessage(`{"client_name":"x","benefit":"` + others + `"}`)
	if err := s.Update(ctx, reg); err != nil {
		t.Fatal(err)
	}
	shown("changed by the client", "")

	for what, err := range map[string]error{
		"approve": s.ApproveBenefit(ctx, "nobody", words), "withdraw": s.WithdrawBenefit(ctx, "nobody"),
	} {
		if !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s for an unknown client: %v", what, err)
		}
	}
	if _, err := s.Benefit(ctx, "nobody"); !errors.Is(err, consent.ErrNotFound) {
		t.Errorf("of an unknown client: %v", err)
	}
	for record, want := range map[string]string{`{"benefit":"a\u0000b"}`: "", `[]`: "", `{"benefit":7}`: "", `{}`: "", `{"benefit":"a"}`: "a"} {
		if got := benefitOf(json.RawMessage(record)); got != want {
			t.Errorf("%s: %q", record, got)
		}
	}
}
