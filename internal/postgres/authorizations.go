package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/jackc/pgx/v5"
)

// Authorizations is the consent.Authorizations.
type Authorizations struct{ db *DB }

var _ consent.Authorizations = Authorizations{}

// Authorizations returns the store of decisions in progress.
func (db *DB) Authorizations() Authorizations { return Authorizations{db} }

const authorizationColumns = `
    authorization_id, version, browser, pushed, recipient_id, request,
    login_hint, ui_locales, consumer_id, authenticated_at, accounts, decision,
    disclosure_version, disclosure_locale, disclosure_text, answered,
    expires_at, second_factor, second_factor_at, first_factor, holder, cause`

const sqlOpenAuthorization = `
INSERT INTO authorization_progress (` + authorizationColumns + `)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
ON CONFLICT (pushed, browser) DO NOTHING`

const sqlAuthorizationFor = `
SELECT ` + authorizationColumns + ` FROM authorization_progress WHERE pushed = $1 AND browser = $2`

const sqlAuthorization = `
SELECT ` + authorizationColumns + ` FROM authorization_progress WHERE authorization_id = $1 AND browser = $2`

const sqlReplaceAuthorization = `
UPDATE authorization_progress
SET version = version + 1, browser = $3, pushed = $4, recipient_id = $5, request = $6,
    login_hint = $7, ui_locales = $8, consumer_id = $9, authenticated_at = $10, accounts = $11,
    decision = $12, disclosure_version = $13, disclosure_locale = $14, disclosure_text = $15,
    answered = $16, expires_at = $17, second_factor = $18, second_factor_at = $19, first_factor = $20,
    holder = $21, cause = $22
WHERE authorization_id = $1 AND version = $2
RETURNING ` + authorizationColumns

const sqlAuthorizationExists = `
SELECT authorization_id FROM authorization_progress WHERE authorization_id = $1`

type authorizationRow struct {
	AuthorizationID   string     `db:"authorization_id"`
	Version           int64      `db:"version"`
	Browser           string     `db:"browser"`
	Pushed            string     `db:"pushed"`
	RecipientID       string     `db:"recipient_id"`
	Request           []byte     `db:"request"`
	LoginHint         []byte     `db:"login_hint"`
	UILocales         []string   `db:"ui_locales"`
	ConsumerID        string     `db:"consumer_id"`
	AuthenticatedAt   *time.Time `db:"authenticated_at"`
	Accounts          []string   `db:"accounts"`
	Decision          string     `db:"decision"`
	DisclosureVersion string     `db:"disclosure_version"`
	DisclosureLocale  string     `db:"disclosure_locale"`
	DisclosureText    string     `db:"disclosure_text"`
	Answered          bool       `db:"answered"`
	ExpiresAt         time.Time  `db:"expires_at"`
	SecondFactor      string     `db:"second_factor"`
	SecondFactorAt    *time.Time `db:"second_factor_at"`
	FirstFactor       string     `db:"first_factor"`
	Holder            []byte     `db:"holder"`
	Cause             string     `db:"cause"`
}

// labelHint is where a sealed login hint belongs.
const labelHint = "authorization_progress.login_hint"

func (db *DB) authorization(ctx context.Context, r authorizationRow) (consent.Authorization, error) {
	hint, err := db.unseal(ctx, labelHint, r.AuthorizationID, r.LoginHint)
	if err != nil {
		return consent.Authorization{}, err
	}
	a := consent.Authorization{
		ID: consent.AuthorizationID(r.AuthorizationID), Version: r.Version, Browser: r.Browser,
		Pushed: r.Pushed, Recipient: consent.RecipientID(r.RecipientID),
		LoginHint: string(hint), UILocales: typed[string](r.UILocales),
		Consumer: consent.ConsumerID(r.ConsumerID), AuthenticatedAt: instant(r.AuthenticatedAt),
		Accounts: typed[fdx.AccountID](r.Accounts), Decision: consent.Decision(r.Decision),
		Disclosure: consent.Disclosure{Version: r.DisclosureVersion, Locale: r.DisclosureLocale, Text: r.DisclosureText},
		Answered:   r.Answered, ExpiresAt: r.ExpiresAt.UTC(),
		FirstFactor:  consent.Factor(r.FirstFactor),
		SecondFactor: consent.Factor(r.SecondFactor), SecondFactorAt: instant(r.SecondFactorAt), Cause: consent.Cause(r.Cause),
	}
	return a, errors.Join(decode(r.Request, &a.Request), decode(r.Holder, &a.Holder))
}

// arguments returns the values of authorizationColumns.
func (db *DB) arguments(ctx context.Context, a consent.Authorization, version int64) ([]any, error) {
	request, err := encode(a.Request)
	if err != nil {
		return nil, err
	}
	holder, err := encode(a.Holder)
	if err != nil {
		return nil, err
	}
	hint, err := db.seal(ctx, labelHint, string(a.ID), []byte(a.LoginHint))
	if err != nil {
		return nil, err
	}
	return []any{
		string(a.ID), version, a.Browser, a.Pushed, string(a.Recipient), request,
		hint, words(a.UILocales), string(a.Consumer), nullable(a.AuthenticatedAt),
		words(a.Accounts), string(a.Decision), a.Disclosure.Version, a.Disclosure.Locale,
		a.Disclosure.Text, a.Answered, a.ExpiresAt,
		string(a.SecondFactor), nullable(a.SecondFactorAt), string(a.FirstFactor), holder, string(a.Cause),
	}, nil
}

// Open implements consent.Authorizations. The first version is 1. One round
// trip.
func (s Authorizations) Open(ctx context.Context, a consent.Authorization) (consent.Authorization, error) {
	args, err := s.db.arguments(ctx, a, 1)
	if err != nil {
		return consent.Authorization{}, fmt.Errorf("open authorization: %w", err)
	}
	var r authorizationRow
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		// The second statement has a snapshot of its own, so that it sees
		// the row of whoever was faster.
		var b pgx.Batch
		b.Queue(sqlOpenAuthorization, args...)
		b.Queue(sqlAuthorizationFor, a.Pushed, a.Browser).Query(func(rows pgx.Rows) (err error) {
			r, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[authorizationRow])
			return err
		})
		return c.SendBatch(ctx, &b).Close()
	})
	if violates(err, "authorization_progress_pkey") {
		err = consent.ErrConflict
	}
	if err != nil {
		return consent.Authorization{}, fmt.Errorf("open authorization: %w", err)
	}
	return s.db.authorization(ctx, r)
}

// Authorization implements consent.Authorizations. One round trip.
func (s Authorizations) Authorization(ctx context.Context, id consent.AuthorizationID, browser string) (consent.Authorization, error) {
	var r authorizationRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[authorizationRow](ctx, c, consent.ErrNotFound, sqlAuthorization, string(id), browser)
		return err
	})
	if err != nil {
		return consent.Authorization{}, fmt.Errorf("load authorization: %w", err)
	}
	return s.db.authorization(ctx, r)
}

// Replace implements consent.Authorizations; ErrNotFound for an unknown id.
// One round trip, one more to explain a refusal.
func (s Authorizations) Replace(ctx context.Context, a consent.Authorization) (consent.Authorization, error) {
	var r authorizationRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = s.db.replaceAuthorization(ctx, c, a)
		return err
	})
	if err != nil {
		return consent.Authorization{}, fmt.Errorf("replace authorization: %w", err)
	}
	return s.db.authorization(ctx, r)
}

const sqlExtendAuthorization = `
UPDATE authorization_progress SET expires_at = greatest(expires_at, $4)
WHERE authorization_id = $1 AND browser = $2 AND NOT answered AND expires_at > $3`

// Extend implements consent.Authorizations. One round trip.
func (s Authorizations) Extend(ctx context.Context, id consent.AuthorizationID, browser string, now, until time.Time) error {
	return SignIns(s).change(ctx, "extend authorization", consent.ErrNotFound, sqlExtendAuthorization, string(id), browser, now, until)
}

func (db *DB) replaceAuthorization(ctx context.Context, q querier, a consent.Authorization) (authorizationRow, error) {
	args, err := db.arguments(ctx, a, a.Version)
	if err != nil {
		return authorizationRow{}, err
	}
	r, err := one[authorizationRow](ctx, q, consent.ErrConflict, sqlReplaceAuthorization, args...)
	switch {
	case errors.Is(err, consent.ErrConflict):
		return r, missingOr(ctx, q, consent.ErrConflict, consent.ErrNotFound, sqlAuthorizationExists, string(a.ID))
	case violates(err, "authorization_progress_pushed_browser_key"):
		return r, consent.ErrConflict
	}
	return r, err
}
