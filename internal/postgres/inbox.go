package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
)

// Inbox keeps what people are told. It is the inbox.Inbox, the inbox.Mails and
// the inbox.Teller.
type Inbox struct{ db *DB }

var (
	_ inbox.Inbox  = Inbox{}
	_ inbox.Mails  = Inbox{}
	_ inbox.Teller = Inbox{}
)

// Inbox returns the store of what people are told.
func (db *DB) Inbox() Inbox { return Inbox{db} }

// noticeConsumer is consumerID where two tables of a statement have one.
const noticeConsumer = `coalesce((SELECT p.bank_id FROM person p WHERE p.pseudonym = n.consumer_id), n.consumer_id)`

// The app is called as the person knows it: as in the grant.
const sqlPersonNotices = `
SELECT n.notice_id, ` + noticeConsumer + ` AS consumer_id, n.kind, n.grant_id, n.actor, n.ends_at, n.days, n.at, n.read_at IS NOT NULL AS read,
       coalesce((SELECT p->>'name' FROM jsonb_array_elements(g.parties) AS p WHERE p->>'type' = 'DATA_RECIPIENT' LIMIT 1), '') AS app
FROM person_notice n LEFT JOIN consent_grant g ON g.grant_id = n.grant_id`

const sqlNoticesOf = sqlPersonNotices + `
WHERE n.consumer_id = ` + pseudonymOf1 + ` AND (n.at, n.notice_id) < ($2, $3)
ORDER BY n.at DESC, n.notice_id DESC LIMIT $4`

const sqlUnread = `
SELECT count(u.notice_id) FROM (
    SELECT notice_id FROM person_notice WHERE consumer_id = ` + pseudonymOf1 + ` AND read_at IS NULL LIMIT $2) AS u`

const sqlMarkRead = `
UPDATE person_notice SET read_at = coalesce(read_at, clock_timestamp())
WHERE notice_id = $1 AND consumer_id = (SELECT p.pseudonym FROM person p WHERE p.bank_id = $2)`

const sqlMarkAllRead = `
UPDATE person_notice SET read_at = clock_timestamp()
WHERE consumer_id = ` + pseudonymOf1 + ` AND read_at IS NULL AND (at, notice_id) <= ($2, $3)`

const sqlPreferences = `
SELECT locale, mail_off, digest FROM person_preference WHERE consumer_id = ` + pseudonymOf1

// Another way to be told does not bring the next digest forward.
const sqlSetPreferences = `
WITH ` + ensurePerson1 + `
INSERT INTO person_preference (consumer_id, locale, mail_off, digest, digest_at, updated_at)
SELECT pseudonym, $2, $3, $4, clock_timestamp(), clock_timestamp() FROM who
ON CONFLICT (consumer_id) DO UPDATE SET
    locale = EXCLUDED.locale, mail_off = EXCLUDED.mail_off, digest = EXCLUDED.digest, updated_at = EXCLUDED.updated_at`

const sqlTellPerson = `
WITH ` + ensurePerson1 + `
INSERT INTO person_notice (consumer_id, kind, day, at)
SELECT pseudonym, $2, (clock_timestamp() AT TIME ZONE 'UTC')::date, clock_timestamp() FROM who
ON CONFLICT (consumer_id, kind, grant_id, day) DO NOTHING`

const sqlMail = `
SELECT m.mail_id, w.bank_id AS consumer_id, m.digest, m.attempts, m.since, coalesce(p.locale, '') AS locale
FROM person_mail m JOIN person w ON w.pseudonym = m.consumer_id AND w.bank_id IS NOT NULL
LEFT JOIN person_preference p ON p.consumer_id = m.consumer_id
WHERE m.mail_id = $1 AND m.state = 'pending'`

const sqlNoticesOfMail = sqlPersonNotices + `
WHERE n.mail_id = $1 ORDER BY n.at, n.notice_id LIMIT $2`

const sqlSettleMail = `
UPDATE person_mail SET state = $2, attempts = $3 WHERE mail_id = $1 AND state = 'pending'`

// maxMailNotices bounds how many notices one mail tells of; the inbox has all.
const maxMailNotices = 50

type noticeRow struct {
	NoticeID   [16]byte   `db:"notice_id"`
	ConsumerID string     `db:"consumer_id"`
	Kind       string     `db:"kind"`
	GrantID    string     `db:"grant_id"`
	Actor      string     `db:"actor"`
	EndsAt     *time.Time `db:"ends_at"`
	Days       int        `db:"days"`
	At         time.Time  `db:"at"`
	Read       bool       `db:"read"`
	App        string     `db:"app"`
}

func personal(rows []noticeRow) []inbox.Notice {
	var all []inbox.Notice
	for _, r := range rows {
		all = append(all, inbox.Notice{
			ID: r.NoticeID, Consumer: consent.ConsumerID(r.ConsumerID), Kind: inbox.Kind(r.Kind), Grant: consent.GrantID(r.GrantID),
			App: r.App, Actor: consent.Actor(r.Actor), EndsAt: instant(r.EndsAt), Days: r.Days, At: r.At.UTC(), Read: r.Read,
		})
	}
	return all
}

// Notices implements inbox.Inbox. One round trip.
func (s Inbox) Notices(ctx context.Context, who consent.ConsumerID, after inbox.Place, limit int) ([]inbox.Notice, error) {
	if after == (inbox.Place{}) {
		after.At = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) // later than any
	}
	var rows []noticeRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		rows, err = many[noticeRow](ctx, c, sqlNoticesOf, string(who), after.At, [16]byte(after.ID), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load notices: %w", err)
	}
	return personal(rows), nil
}

// Unread implements inbox.Inbox. One round trip.
func (s Inbox) Unread(ctx context.Context, who consent.ConsumerID) (n int, err error) {
	err = s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, sqlUnread, string(who), inbox.UnreadLimit).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("count unread notices: %w", err)
	}
	return n, nil
}

// MarkRead implements inbox.Inbox. One round trip.
func (s Inbox) MarkRead(ctx context.Context, who consent.ConsumerID, id inbox.NoticeID) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		tag, err := c.Exec(ctx, sqlMarkRead, [16]byte(id), string(who))
		if err == nil && tag.RowsAffected() == 0 {
			return consent.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("mark notice: %w", err)
	}
	return nil
}

// MarkAllRead implements inbox.Inbox. One round trip.
func (s Inbox) MarkAllRead(ctx context.Context, who consent.ConsumerID, newest inbox.Place) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlMarkAllRead, string(who), newest.At, [16]byte(newest.ID))
		return err
	})
	if err != nil {
		return fmt.Errorf("mark notices: %w", err)
	}
	return nil
}

// Preferences implements inbox.Inbox. One round trip.
func (s Inbox) Preferences(ctx context.Context, who consent.ConsumerID) (inbox.Preferences, error) {
	type preferenceRow struct {
		Locale  string   `db:"locale"`
		MailOff []string `db:"mail_off"`
		Digest  string   `db:"digest"`
	}
	var r preferenceRow
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		r, err = one[preferenceRow](ctx, c, consent.ErrNotFound, sqlPreferences, string(who))
		return err
	})
	if err != nil && !errors.Is(err, consent.ErrNotFound) {
		return inbox.Preferences{}, fmt.Errorf("load preferences: %w", err)
	}
	return inbox.Preferences{Locale: r.Locale, Off: typed[inbox.Topic](r.MailOff), Digest: inbox.Digest(r.Digest)}, nil
}

// SetPreferences implements inbox.Inbox. One round trip.
func (s Inbox) SetPreferences(ctx context.Context, who consent.ConsumerID, p inbox.Preferences) error {
	p = p.Allowed()
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlSetPreferences, string(who), p.Locale, words(p.Off), string(p.Digest))
		return err
	})
	if err != nil {
		return fmt.Errorf("store preferences: %w", err)
	}
	return nil
}

// Tell implements inbox.Teller. One round trip.
func (s Inbox) Tell(ctx context.Context, who consent.ConsumerID, k inbox.Kind) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlTellPerson, string(who), string(k))
		return err
	})
	if err != nil {
		return fmt.Errorf("tell person: %w", err)
	}
	return nil
}

// Mail implements inbox.Mails. Two round trips.
func (s Inbox) Mail(ctx context.Context, id inbox.MailID) (inbox.Mail, error) {
	type mailRow struct {
		MailID     [16]byte  `db:"mail_id"`
		ConsumerID string    `db:"consumer_id"`
		Digest     bool      `db:"digest"`
		Attempts   int       `db:"attempts"`
		Since      time.Time `db:"since"`
		Locale     string    `db:"locale"`
	}
	var (
		r    mailRow
		rows []noticeRow
	)
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		if r, err = one[mailRow](ctx, c, consent.ErrNotFound, sqlMail, [16]byte(id)); err != nil {
			return err
		}
		rows, err = many[noticeRow](ctx, c, sqlNoticesOfMail, [16]byte(id), maxMailNotices)
		return err
	})
	if err != nil {
		return inbox.Mail{}, fmt.Errorf("load mail: %w", err)
	}
	return inbox.Mail{
		ID: uuid.UUID(r.MailID), Consumer: consent.ConsumerID(r.ConsumerID), Digest: r.Digest, Notices: personal(rows),
		Locale: r.Locale, Attempts: r.Attempts, Since: r.Since.UTC(),
	}, nil
}

// SettleMail implements inbox.Mails. One round trip.
func (s Inbox) SettleMail(ctx context.Context, id inbox.MailID, state inbox.MailState, attempts int) error {
	err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sqlSettleMail, [16]byte(id), string(state), attempts)
		return err
	})
	if err != nil {
		return fmt.Errorf("settle mail: %w", err)
	}
	return nil
}
