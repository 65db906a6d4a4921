package sandbox

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

// dated makes an access to one account and the days from start on.
func dated(t testing.TB, who consent.ConsumerID, id fdx.AccountID, start string) resource.Access {
	t.Helper()
	day, err := fdx.ParseDate(start)
	if err != nil {
		t.Fatal(err)
	}
	every := fdx.NewClusters(fdx.AllClusters()...)
	a, denial := resource.Allow(resourcetest.Everything(who, today, id), fdx.ScopesOf(every),
		resource.Need{Account: id, Any: every, Through: every, Window: fdx.Window{Start: day, End: fdx.DateOf(today)}}, today)
	if denial != nil {
		t.Fatal(denial.Error)
	}
	return a
}

func papersOfPersonas(t *testing.T, s *Store) {
	t.Run("statements add up", func(t *testing.T) { statementsAddUp(t, s) })
	t.Run("statements are soon made", func(t *testing.T) { statementsAreSoonMade(t, s) })
	t.Run("images are of their transaction", func(t *testing.T) { imagesAreOfTheirTransaction(t, s) })
	t.Run("papers wait for their turn", func(t *testing.T) { papersWaitForTheirTurn(t, s) })
}

// A month begins with the balance at which the one before it ended, and the
// last one with its bookings leads to the balance of today.
func statementsAddUp(t *testing.T, s *Store) {
	balances := 0
	for _, p := range Personas() {
		who := consent.ConsumerID(customer(t, s, p.Username).ID)
		for _, h := range accountsOf(t, s, p.Username) {
			a := dated(t, who, h.Account.ID(), "2024-03-18")
			var closing fdx.Decimal
			for month := time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC); month.Before(today); month = month.AddDate(0, 1, 0) {
				st, err := s.month(t.Context(), a, fdx.Window{Start: fdx.DateOf(month), End: fdx.DateOf(month.AddDate(0, 1, -1))})
				if errors.Is(err, resource.ErrNoAccount) {
					break // gone
				}
				if err != nil || len(st.Holders) == 0 || len(st.Address) != 2 || !strings.HasPrefix(st.Number, "****") || st.Currency == "" {
					t.Fatalf("%s: %+v, %v", p.Username, st, err)
				}
				if closing.Present() && closing.Cmp(st.Opening) != 0 {
					t.Errorf("%s, %s: %s begins with %s, not %s", p.Username, st.Product, month.Format("January"), st.Opening, closing)
				}
				closing = st.Opening
				for _, l := range st.Lines {
					if l.Date.Time().Before(month) || !l.Date.Time().Before(month.AddDate(0, 1, 0)) {
						t.Errorf("%s: %s is on the statement of %s", p.Username, l.Date, month.Format("January"))
					}
					step := l.Amount
					if closing.Present() && (l.Direction == fdx.Debit) != st.Owed {
						step, _ = step.Neg()
					}
					if closing.Present() {
						closing, _ = closing.Add(step)
					}
				}
			}
			if !closing.Present() {
				continue
			}
			balances++
			if is := value(balancesOf(h.Account).balance); is.Cmp(closing) != 0 {
				t.Errorf("%s, %s: the statements lead to %s, not %s", p.Username, h.Account.Descriptor().ProductName, closing, is)
			}
		}
	}
	if balances < 20 {
		t.Errorf("%d accounts have balances", balances)
	}
}

// The busiest month, some 1,300 bookings, and many at once.
func statementsAreSoonMade(t *testing.T, s *Store) {
	who, id := consent.ConsumerID(customer(t, s, "heavy").ID), accountsOf(t, s, "heavy")[0].Account.ID()
	a := dated(t, who, id, "2024-03-18")
	began := time.Now()
	want, err := s.Statement(t.Context(), a, "2026-01", []fdx.ContentType{fdx.PNG, fdx.PDF})
	t.Logf("%d bytes in %v", len(want.Body), time.Since(began))
	if err != nil || want.Type != fdx.PDF || want.Date.String() != "2026-01-31" || len(want.Body) > 1<<20 || !bytes.HasPrefix(want.Body, []byte("%PDF-")) {
		t.Fatalf("%s of %s, %d bytes, %v", want.Type, want.Date, len(want.Body), err)
	}
	var wg sync.WaitGroup
	for range maxPrinting + 1 {
		wg.Go(func() {
			got, err := s.Statement(t.Context(), a, "2026-01", []fdx.ContentType{fdx.PDF})
			if err != nil || !bytes.Equal(got.Body, want.Body) {
				t.Errorf("another statement, %v", err)
			}
		})
	}
	wg.Wait()
}

func imagesAreOfTheirTransaction(t *testing.T, s *Store) {
	ctx := t.Context()
	who := consent.ConsumerID(customer(t, s, "borrower").ID)
	held := accountsOf(t, s, "borrower")
	a := dated(t, who, held[0].Account.ID(), "2024-03-18")
	var images []fdx.ImageID
	var days []fdx.Date
	for _, x := range transactionsOf(t, s, "borrower", held[0].Account.ID()) {
		images = append(images, x.Base().ImageIDs...)
		if len(x.Base().ImageIDs) > 0 {
			days = append(days, x.Base().EffectiveDate())
		}
	}
	if len(images) != 25 {
		t.Fatalf("%d images", len(images))
	}
	all := []fdx.ContentType{fdx.TIFF, fdx.PNG, fdx.PDF}
	first, err := s.Image(ctx, a, images[0], all)
	if err != nil || first.Type != fdx.PNG || first.Date != days[0] {
		t.Fatalf("%s of %s, %v", first.Type, first.Date, err)
	}
	if _, err := png.Decode(bytes.NewReader(first.Body)); err != nil {
		t.Error(err)
	}
	second, err := s.Image(ctx, a, images[1], all)
	if err != nil || bytes.Equal(first.Body, second.Body) {
		t.Errorf("two cheques look the same, %v", err)
	}
	for name, ask := range map[string]func() error{
		"after the window begins": func() error {
			_, err := s.Image(ctx, dated(t, who, held[0].Account.ID(), days[0].AddDays(1).String()), images[0], all)
			return err
		},
		"of another account": func() error {
			_, err := s.Image(ctx, dated(t, who, held[1].Account.ID(), "2024-03-18"), images[0], all)
			return err
		},
		"unknown":                  func() error { _, err := s.Image(ctx, a, "check-0-front", all); return err },
		"a path":                   func() error { _, err := s.Image(ctx, a, "../../fonts/LICENSE", all); return err },
		"a NUL":                    func() error { _, err := s.Image(ctx, a, "check\x00", all); return err },
		"empty":                    func() error { _, err := s.Image(ctx, a, "", all); return err },
		"unknown, in no form":      func() error { _, err := s.Image(ctx, a, "x", nil); return err },
		"of a pattern":             func() error { _, err := s.Image(ctx, a, "check-%", all); return err },
		"of another transaction's": func() error { _, err := s.Image(ctx, a, images[0]+images[1], all); return err },
	} {
		if err := ask(); !errors.Is(err, resource.ErrNotFound) {
			t.Errorf("an image %s: %v", name, err)
		}
	}
	if _, err := s.Image(ctx, a, images[0], []fdx.ContentType{fdx.TIFF, fdx.ZIP}); !errors.Is(err, resource.ErrNotAcceptable) {
		t.Errorf("as TIFF: %v", err)
	}
	if _, err := s.Image(ctx, dated(t, "somebody", held[0].Account.ID(), "2024-03-18"), images[0], all); !errors.Is(err, resource.ErrNoAccount) {
		t.Errorf("for somebody else: %v", err)
	}
}

func papersWaitForTheirTurn(t *testing.T, s *Store) {
	for range maxPrinting {
		s.printing <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if body, err := s.print(ctx, func() ([]byte, error) { return []byte("x"), nil }); !errors.Is(err, context.Canceled) || body != nil {
		t.Errorf("it did not wait: %v", err)
	}
	<-s.printing
	if body, err := s.print(t.Context(), func() ([]byte, error) { return []byte("x"), nil }); err != nil || string(body) != "x" {
		t.Errorf("its turn: %v", err)
	}
	for range maxPrinting - 1 {
		<-s.printing
	}
}

// The terms are whole: each kind has a title, a day and sections of its own
// before those that hold for all.
func TestTerms(t *testing.T) {
	t.Parallel()
	all, err := readTerms()
	if err != nil || len(all) != 8 {
		t.Fatalf("%d terms, %v", len(all), err)
	}
	titles := map[string]bool{}
	for category, terms := range all {
		if terms.Title == "" || titles[terms.Title] || terms.Date.IsZero() || len(terms.Sections) < 5 || terms.Sections[0].Heading[:3] != "1. " {
			t.Errorf("%s: %+v", category, terms)
		}
		titles[terms.Title] = true
		for _, section := range terms.Sections {
			if len(section.Paragraphs) == 0 || strings.Contains(section.Heading, "\n") {
				t.Errorf("%s: %+v", category, section)
			}
		}
	}
	if _, found := all[fdx.CommercialCategory]; found {
		t.Error("commercial accounts have terms")
	}
}
