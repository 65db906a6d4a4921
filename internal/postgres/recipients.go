package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/jackc/pgx/v5"
)

// Recipients is the consent.Recipients, with what the operator needs besides.
type Recipients struct{ db *DB }

var _ consent.Recipients = Recipients{}

// Recipients returns the store of registrations.
func (db *DB) Recipients() Recipients { return Recipients{db} }

const recipientColumns = `
    recipient_id, status, name, legal_name, home_uri, logo_uri, registry,
    registry_id, auth_method, assertion_alg, jwks, jwks_uri, cert_subject,
    redirect_uris, scopes, purposes, durations, max_days, lookback_days,
    dpop_bound, role, profile, intermediaries`

// The benefit is read with a registration and never written with one: what
// people may be shown is what the operator approved, word for word.
const approvedBenefit = `
    coalesce((SELECT b.benefit FROM registration b
              WHERE b.recipient_id = recipient.recipient_id AND b.benefit = b.benefit_approved), '') AS benefit`

const sqlRecipient = `
SELECT ` + recipientColumns + `, quota, ` + approvedBenefit + ` FROM recipient WHERE recipient_id = $1`

const sqlListRecipients = `
SELECT ` + recipientColumns + `, quota, ` + approvedBenefit + ` FROM recipient ORDER BY recipient_id`

const sqlAddRecipient = `
INSERT INTO recipient (` + recipientColumns + `)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)`

// What is closed stays as it is.
const sqlPutRecipient = sqlAddRecipient + `
ON CONFLICT (recipient_id) DO UPDATE SET status = EXCLUDED.status, ` + replaceRecipient + `
WHERE recipient.status <> 'closed'`

// replaceRecipient replaces everything but the state.
const replaceRecipient = `
    name = EXCLUDED.name, legal_name = EXCLUDED.legal_name,
    home_uri = EXCLUDED.home_uri, logo_uri = EXCLUDED.logo_uri, registry = EXCLUDED.registry,
    registry_id = EXCLUDED.registry_id, auth_method = EXCLUDED.auth_method,
    assertion_alg = EXCLUDED.assertion_alg, jwks = EXCLUDED.jwks,
    jwks_uri = EXCLUDED.jwks_uri, cert_subject = EXCLUDED.cert_subject, redirect_uris = EXCLUDED.redirect_uris,
    scopes = EXCLUDED.scopes, purposes = EXCLUDED.purposes, durations = EXCLUDED.durations,
    max_days = EXCLUDED.max_days, lookback_days = EXCLUDED.lookback_days,
    dpop_bound = EXCLUDED.dpop_bound, role = EXCLUDED.role,
    profile = EXCLUDED.profile, intermediaries = EXCLUDED.intermediaries, updated_at = clock_timestamp()`

type recipientRow struct {
	RecipientID    string   `db:"recipient_id"`
	Status         string   `db:"status"`
	Name           string   `db:"name"`
	LegalName      string   `db:"legal_name"`
	HomeURI        string   `db:"home_uri"`
	LogoURI        string   `db:"logo_uri"`
	Registry       string   `db:"registry"`
	RegistryID     string   `db:"registry_id"`
	AuthMethod     string   `db:"auth_method"`
	AssertionAlg   string   `db:"assertion_alg"`
	JWKS           []byte   `db:"jwks"`
	JWKSURI        string   `db:"jwks_uri"`
	CertSubject    []byte   `db:"cert_subject"`
	RedirectURIs   []string `db:"redirect_uris"`
	Scopes         []string `db:"scopes"`
	Purposes       []byte   `db:"purposes"`
	Durations      []string `db:"durations"`
	MaxDays        int      `db:"max_days"`
	LookbackDays   int      `db:"lookback_days"`
	DPoPBound      bool     `db:"dpop_bound"`
	Role           string   `db:"role"`
	Profile        []byte   `db:"profile"`
	Intermediaries []byte   `db:"intermediaries"`
	Quota          int      `db:"quota"`
	Benefit        string   `db:"benefit"`
}

func (r recipientRow) recipient() (consent.Recipient, error) {
	out := consent.Recipient{
		ID: consent.RecipientID(r.RecipientID), Status: consent.RecipientStatus(r.Status),
		Name: r.Name, LegalName: r.LegalName, HomeURI: r.HomeURI, LogoURI: r.LogoURI, Benefit: r.Benefit,
		Registry: r.Registry, RegistryID: r.RegistryID,
		AuthMethod: consent.AuthMethod(r.AuthMethod), AssertionAlg: r.AssertionAlg,
		JWKS: json.RawMessage(r.JWKS), JWKSURI: r.JWKSURI, Role: consent.Role(r.Role),
		RedirectURIs: typed[string](r.RedirectURIs), Scopes: typed[fdx.Scope](r.Scopes),
		Durations: typed[consent.DurationType](r.Durations),
		MaxDays:   r.MaxDays, LookbackDays: r.LookbackDays, DPoPBound: r.DPoPBound, Quota: r.Quota,
	}
	return out, errors.Join(decode(r.Purposes, &out.Purposes), decode(r.CertSubject, &out.CertSubject), decode(r.Profile, &out.Profile),
		decode(r.Intermediaries, &out.Intermediaries))
}

// Recipient implements consent.Recipients. One round trip.
func (s Recipients) Recipient(ctx context.Context, id consent.RecipientID) (consent.Recipient, error) {
	var r recipientRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[recipientRow](ctx, c, consent.ErrNotFound, sqlRecipient, string(id))
		return err
	})
	if err != nil {
		return consent.Recipient{}, fmt.Errorf("load recipient: %w", err)
	}
	return r.recipient()
}

// ListRecipients returns all registrations, sorted by id; nil when there are
// none. One round trip.
func (s Recipients) ListRecipients(ctx context.Context) ([]consent.Recipient, error) {
	var rows []recipientRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[recipientRow](ctx, c, sqlListRecipients)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list recipients: %w", err)
	}
	var all []consent.Recipient
	for _, r := range rows {
		v, err := r.recipient()
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// PutRecipient stores a registration, in place of the one with the same id if
// there is one. Once it has stored a suspension, the gate lets nothing
// through to that recipient and no token is issued to it. One that is closed
// is consent.ErrClosed. One round trip.
func (s Recipients) PutRecipient(ctx context.Context, r consent.Recipient) error {
	args, err := recipientArgs(r)
	if err != nil {
		return fmt.Errorf("put recipient: %w", err)
	}
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		tag, err := c.Exec(ctx, sqlPutRecipient, args...)
		if err == nil && tag.RowsAffected() == 0 {
			return consent.ErrClosed
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("put recipient: %w", err)
	}
	return nil
}

// recipientArgs returns the values of recipientColumns.
func recipientArgs(r consent.Recipient) ([]any, error) {
	if r.ID == "" {
		return nil, errors.New("an id is required")
	}
	purposes, err := encode(r.Purposes)
	subject, err2 := encode(r.CertSubject)
	profile, err3 := encode(r.Profile)
	middle, err4 := encode(append([]consent.Party{}, r.Intermediaries...))
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return nil, err
	}
	role := r.Role
	if role == "" {
		role = consent.RoleRecipient
	}
	return []any{
		string(r.ID), string(r.Status), r.Name, r.LegalName,
		r.HomeURI, r.LogoURI, r.Registry, r.RegistryID, string(r.AuthMethod), r.AssertionAlg,
		[]byte(r.JWKS), r.JWKSURI, subject, words(r.RedirectURIs), words(r.Scopes), purposes,
		words(r.Durations), r.MaxDays, r.LookbackDays, r.DPoPBound, string(role), profile, middle,
	}, nil
}
