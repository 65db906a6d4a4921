package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/riverqueue/river"

	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/consent/policy"
)

// noticesQueue is the queue of everything that people are told by a job, so
// that a slow mail server holds up no recipient.
const noticesQueue = "notices"

// mailJob sends one mail.
type mailJob struct {
	Mail inbox.MailID `json:"mail"`
}

// Kind implements river.JobArgs.
func (mailJob) Kind() string { return "notice_mail" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (mailJob) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: noticesQueue} }

// roundJob makes mail of new notices.
type roundJob struct{}

// Kind implements river.JobArgs.
func (roundJob) Kind() string { return "notice_round" }

// dueJob gives the notices that are due by time.
type dueJob struct{}

// Kind implements river.JobArgs.
func (dueJob) Kind() string { return "notice_due" }

// unusedJob looks for sharing that nobody uses, after a grant.
type unusedJob struct {
	After string `json:"after"`
}

// Kind implements river.JobArgs.
func (unusedJob) Kind() string { return "notice_unused" }

const (
	roundEvery  = 5 * time.Second
	dueEvery    = time.Minute
	unusedEvery = time.Hour
	// unusedPatience is for how long one job looks for what nobody uses;
	// another one goes on from there.
	unusedPatience = jobTimeout / 2
	noticePage     = 500
)

// addNoticeWorkers adds what carries out the jobs above. mail may be nil.
func (db *DB) addNoticeWorkers(w *river.Workers, rules *policy.Book, mail func(context.Context, inbox.MailID) (time.Duration, error)) {
	in := db.Inbox()
	river.AddWorker(w, river.WorkFunc(func(ctx context.Context, job *river.Job[mailJob]) error {
		if mail == nil {
			return river.JobSnooze(time.Minute) // for a process that sends mail
		}
		again, err := mail(ctx, job.Args.Mail)
		if err == nil && again > 0 {
			return river.JobSnooze(again)
		}
		return err
	}))
	river.AddWorker(w, river.WorkFunc(func(ctx context.Context, _ *river.Job[roundJob]) error {
		if mail == nil {
			return nil
		}
		return in.MakeMail(ctx)
	}))
	river.AddWorker(w, river.WorkFunc(func(ctx context.Context, _ *river.Job[dueJob]) error { return in.GiveDue(ctx, rules) }))
	river.AddWorker(w, river.WorkFunc(func(ctx context.Context, job *river.Job[unusedJob]) error {
		after, err := in.GiveUnused(ctx, rules, job.Args.After, unusedPatience)
		if err != nil || after == "" {
			return err
		}
		return db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
			_, err := db.jobs.InsertTx(ctx, tx, unusedJob{after}, &river.InsertOpts{Queue: noticesQueue})
			return err
		})
	}))
}

// noticeJobs are the jobs above that come again and again.
func noticeJobs() []*river.PeriodicJob {
	every := func(d time.Duration, args river.JobArgs) *river.PeriodicJob {
		return river.NewPeriodicJob(river.PeriodicInterval(d), func() (river.JobArgs, *river.InsertOpts) {
			return args, &river.InsertOpts{MaxAttempts: 1, Queue: noticesQueue}
		}, &river.PeriodicJobOpts{RunOnStart: true})
	}
	return []*river.PeriodicJob{every(roundEvery, roundJob{}), every(dueEvery, dueJob{}), every(unusedEvery, unusedJob{})}
}

// agreedTime is when a grant was agreed to: what a policy pack said then holds
// for it (policy.Book.For).
const agreedTime = `CASE
    WHEN g.duration_type = 'TIME_BOUND' AND g.duration_days > 0 THEN g.expires_at - make_interval(days => g.duration_days)
    ELSE greatest(g.created_at, g.expires_at - interval '365 days') END`

// A mark is so many days before the end, and lasts until the next one; the day
// of the notice is the day of the mark, so that it is given once whenever the
// job runs. What was agreed to after its mark had passed has none.
const sqlGiveEnding = `
INSERT INTO person_notice (consumer_id, kind, grant_id, day, ends_at, at)
SELECT g.consumer_id, mark.kind, g.grant_id, ((g.expires_at - make_interval(hours => mark.hours)) AT TIME ZONE 'UTC')::date,
       g.expires_at, clock_timestamp()
FROM consent_grant g
JOIN unnest($2::timestamptz[], $3::timestamptz[], $4::text[], $5::integer[], $6::integer[]) AS mark (since, until, kind, hours, next)
  ON g.expires_at <= statement_timestamp() + make_interval(hours => mark.hours)
 AND g.expires_at > statement_timestamp() + make_interval(hours => mark.next)
 AND (` + agreedTime + `) >= mark.since AND (` + agreedTime + `) < mark.until
WHERE g.status = 'ACTIVE' AND g.expires_at > statement_timestamp()
  AND g.expires_at <= statement_timestamp() + make_interval(hours => $7)
  AND coalesce(g.updated_at, g.created_at) + make_interval(hours => mark.hours) < g.expires_at
  AND NOT EXISTS (
      SELECT n.notice_id FROM person_notice n
      WHERE n.consumer_id = g.consumer_id AND n.kind = mark.kind AND n.grant_id = g.grant_id
        AND n.day = ((g.expires_at - make_interval(hours => mark.hours)) AT TIME ZONE 'UTC')::date)
ORDER BY g.expires_at LIMIT $1
ON CONFLICT (consumer_id, kind, grant_id, day) DO NOTHING`

// One page of people of one changed registration. Each is told once, of the
// newest grant.
const sqlGiveRound = `
WITH round AS (
    SELECT recipient_id, kind, day, after FROM person_notice_round WHERE NOT done
    ORDER BY day, recipient_id, kind LIMIT 1 FOR UPDATE SKIP LOCKED),
page AS (
    SELECT DISTINCT ON (g.consumer_id) g.consumer_id, g.grant_id, g.expires_at
    FROM consent_grant g JOIN round r ON r.recipient_id = g.recipient_id
    WHERE g.status = 'ACTIVE' AND g.expires_at > statement_timestamp() AND g.consumer_id > r.after
    ORDER BY g.consumer_id, g.created_at DESC, g.grant_id LIMIT $1),
given AS (
    INSERT INTO person_notice (consumer_id, kind, grant_id, day, ends_at, at)
    SELECT p.consumer_id, r.kind, p.grant_id, r.day, p.expires_at, clock_timestamp()
    FROM page p CROSS JOIN round r
    ON CONFLICT (consumer_id, kind, grant_id, day) DO NOTHING)
UPDATE person_notice_round t
SET after = coalesce((SELECT max(consumer_id) FROM page), t.after), done = (SELECT count(consumer_id) FROM page) < $1
FROM round r WHERE t.recipient_id = r.recipient_id AND t.kind = r.kind AND t.day = r.day`

// Idle time counts from the last read or, when there was none, from the
// beginning. The day of the notice follows from it, so that each idle time is
// told once. A review is due each time that so many days have passed since
// the person last decided; of several that are due the latest is told.
const sqlGiveUnused = `
WITH page AS (
    SELECT grant_id FROM consent_grant WHERE grant_id > $1 ORDER BY grant_id LIMIT $2),
told AS (
    SELECT g.grant_id, g.consumer_id, g.expires_at, greatest(g.created_at, g.updated_at) AS decided, rule.idle, rule.review,
           floor(extract(epoch FROM statement_timestamp() - greatest(g.created_at, g.updated_at)) / 86400)::integer AS since
    FROM page JOIN consent_grant g ON g.grant_id = page.grant_id
    JOIN unnest($3::timestamptz[], $4::timestamptz[], $5::integer[], $6::integer[]) AS rule (since, until, idle, review)
      ON (` + agreedTime + `) >= rule.since AND (` + agreedTime + `) < rule.until
    WHERE g.status = 'ACTIVE' AND g.expires_at > statement_timestamp()),
idle AS (
    SELECT t.grant_id, t.consumer_id, t.expires_at, t.idle, greatest(t.decided, last.at) + make_interval(days => t.idle) AS due
    FROM told t
    LEFT JOIN LATERAL (
        SELECT a.at FROM access_record a WHERE a.grant_id = t.grant_id AND a.outcome <> 'refused'
        ORDER BY a.at DESC, a.request_id DESC LIMIT 1) AS last ON true
    WHERE t.decided <= statement_timestamp() - make_interval(days => t.idle)),
given AS (
    INSERT INTO person_notice (consumer_id, kind, grant_id, day, ends_at, days, at)
    SELECT consumer_id, 'unused', grant_id, (due AT TIME ZONE 'UTC')::date, expires_at, idle, clock_timestamp()
    FROM idle WHERE due <= statement_timestamp()
    UNION ALL
    SELECT consumer_id, 'review', grant_id,
           (decided AT TIME ZONE 'UTC')::date + since - mod(since, review), expires_at, review, clock_timestamp()
    FROM told WHERE decided <= statement_timestamp() - make_interval(days => review)
    ON CONFLICT (consumer_id, kind, grant_id, day) DO NOTHING)
SELECT coalesce(max(grant_id), '') FROM page`

// Notices stay for as long as a dashboard shows what has ended.
const sqlPruneNotices = `
DELETE FROM person_notice WHERE notice_id IN (
    SELECT notice_id FROM person_notice WHERE at <= statement_timestamp() - interval '24 months' AND mail <> 'new'
    ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED)`

const sqlPruneMail = `
DELETE FROM person_mail WHERE mail_id IN (
    SELECT mail_id FROM person_mail WHERE state <> 'pending' AND since <= statement_timestamp() - interval '30 days'
    ORDER BY since LIMIT $1 FOR UPDATE SKIP LOCKED)`

// What nobody made mail of for as long as mail is tried is no news any more.
const sqlTooLateForMail = `
UPDATE person_notice SET mail = 'off' WHERE notice_id IN (
    SELECT notice_id FROM person_notice WHERE mail = 'new' AND at <= statement_timestamp() - $2::interval
    ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED)`

const sqlNewNotices = `
SELECT n.notice_id, n.consumer_id, n.kind, p.mail_off, coalesce(p.digest, '') AS digest
FROM person_notice n LEFT JOIN person_preference p ON p.consumer_id = n.consumer_id
WHERE n.mail = 'new' AND n.at > statement_timestamp() - $2::interval
ORDER BY n.at LIMIT $1 FOR UPDATE OF n SKIP LOCKED`

const sqlMakeMail = `
WITH way AS (
    SELECT notice_id, consumer_id, mail, mail_id
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[]) AS w (notice_id, consumer_id, mail, mail_id)),
made AS (
    INSERT INTO person_mail (mail_id, consumer_id, digest, state, since)
    SELECT mail_id, consumer_id, false, 'pending', clock_timestamp() FROM way WHERE mail_id IS NOT NULL)
UPDATE person_notice n SET mail = way.mail, mail_id = way.mail_id FROM way WHERE n.notice_id = way.notice_id`

// Whoever wants each notice at once (again) gets what was kept for a digest.
const sqlMakeDigests = `
WITH due AS (
    SELECT p.consumer_id FROM person_preference p
    WHERE EXISTS (SELECT n.notice_id FROM person_notice n WHERE n.consumer_id = p.consumer_id AND n.mail = 'digest')
      AND p.digest_at <= statement_timestamp() - CASE p.digest
          WHEN 'weekly' THEN interval '7 days' WHEN 'monthly' THEN interval '30 days' ELSE interval '0' END
    ORDER BY p.consumer_id LIMIT $1 FOR UPDATE OF p SKIP LOCKED),
made AS (
    INSERT INTO person_mail (mail_id, consumer_id, digest, state, since)
    SELECT gen_random_uuid(), consumer_id, true, 'pending', clock_timestamp() FROM due
    RETURNING mail_id, consumer_id),
linked AS (
    UPDATE person_notice n SET mail = 'mailed', mail_id = made.mail_id
    FROM made WHERE n.consumer_id = made.consumer_id AND n.mail = 'digest'),
stamped AS (
    UPDATE person_preference p SET digest_at = clock_timestamp() FROM due WHERE p.consumer_id = due.consumer_id)
SELECT mail_id FROM made`

// pages runs a statement, whose first parameter is noticePage, until it has
// changed fewer rows than limit.
func (s Inbox) pages(ctx context.Context, limit int64, sql string, args ...any) error {
	for {
		var n int64
		err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
			tag, err := c.Exec(ctx, sql, append([]any{noticePage}, args...)...)
			n = tag.RowsAffected()
			return err
		})
		if err != nil || n < limit {
			return err
		}
	}
}

// spans are the times in which a grant was agreed to, one for each version of
// a pack: from since on, until before until.
type spans struct{ since, until []time.Time }

func (s *spans) add(p policy.Span) {
	s.since, s.until = append(s.since, p.Since), append(s.until, p.Until)
}

// endings are the arguments of sqlGiveEnding.
func endings(rules *policy.Book) []any {
	var (
		in          spans
		kinds       []string
		hours, next []int32
		most        int32
	)
	for _, span := range rules.Spans() {
		days := span.Reminders.BeforeEndDays
		for i, d := range days {
			in.add(span)
			kinds, hours, next = append(kinds, string(inbox.Ending(d))), append(hours, int32(d)*24), append(next, 0)
			if i+1 < len(days) {
				next[len(next)-1] = int32(days[i+1]) * 24
			}
			most = max(most, int32(d)*24)
		}
	}
	return []any{in.since, in.until, kinds, hours, next, most}
}

// GiveDue gives people the notices that are due by time or because an app has
// changed, each once, and deletes notices and mail that are over. How many days
// before an end a person is told says the version of the pack that held when
// they agreed. Any number of processes may call it at once.
func (s Inbox) GiveDue(ctx context.Context, rules *policy.Book) error {
	for _, job := range []struct {
		limit int64 // rows that mean that there is more
		sql   string
		args  []any
	}{
		{noticePage, sqlGiveEnding, endings(rules)},
		{1, sqlGiveRound, nil},
		{noticePage, sqlTooLateForMail, []any{inbox.GiveUp}},
		{noticePage, sqlPruneNotices, nil},
		{noticePage, sqlPruneMail, nil},
	} {
		if err := s.pages(ctx, job.limit, job.sql, job.args...); err != nil {
			return fmt.Errorf("give notices: %w", err)
		}
	}
	return nil
}

// GiveUnused tells people of grants after a place, in the order of their ids,
// that nobody has read for long, once for each such time, and of those that it
// is time to look at again. For how long that is says the version of the pack
// that held when they agreed. It stops after patience and returns where to go
// on; "" at the end.
func (s Inbox) GiveUnused(ctx context.Context, rules *policy.Book, after string, patience time.Duration) (string, error) {
	start := time.Now()
	var (
		in           spans
		idle, review []int32
	)
	for _, span := range rules.Spans() {
		in.add(span)
		idle, review = append(idle, int32(span.Reminders.UnusedDays)), append(review, int32(span.Reminders.ReviewDays))
	}
	for {
		err := s.db.do(ctx, func(ctx context.Context, c *pgx.Conn) error {
			return c.QueryRow(ctx, sqlGiveUnused, after, noticePage, in.since, in.until, idle, review).Scan(&after)
		})
		if err != nil {
			return "", fmt.Errorf("give notices of unused sharing: %w", err)
		}
		if after == "" || time.Since(start) >= patience {
			return after, nil
		}
	}
}

// MakeMail decides for each new notice whether there is to be a mail of it,
// and makes the mail and the digests that are due, each with its job. Any
// number of processes may call it at once.
func (s Inbox) MakeMail(ctx context.Context) error {
	for {
		n, err := s.makeMail(ctx)
		if err != nil {
			return fmt.Errorf("make mail: %w", err)
		}
		if n < noticePage {
			break
		}
	}
	err := s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, sqlMakeDigests, noticePage) // CollectRows returns the error
		ids, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
		if err != nil {
			return err
		}
		return s.post(ctx, tx, ids)
	})
	if err != nil {
		return fmt.Errorf("make digests: %w", err)
	}
	return nil
}

func (s Inbox) makeMail(ctx context.Context) (n int, err error) {
	type newRow struct {
		NoticeID   [16]byte `db:"notice_id"`
		ConsumerID string   `db:"consumer_id"`
		Kind       string   `db:"kind"`
		MailOff    []string `db:"mail_off"`
		Digest     string   `db:"digest"`
	}
	err = s.db.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := many[newRow](ctx, tx, sqlNewNotices, noticePage, inbox.GiveUp)
		if n = len(rows); err != nil || n == 0 {
			return err
		}
		var mails [][16]byte
		ways, ids := make([]string, n), make([]pgtype.UUID, n)
		for i, r := range rows {
			p := inbox.Preferences{Off: typed[inbox.Topic](r.MailOff), Digest: inbox.Digest(r.Digest)}
			way := p.Way(inbox.Kind(r.Kind))
			ways[i] = string(way)
			if way == inbox.Mailed {
				id := uuid.New()
				mails, ids[i] = append(mails, id), pgtype.UUID{Bytes: id, Valid: true}
			}
		}
		_, err = tx.Exec(ctx, sqlMakeMail,
			column(rows, func(r newRow) pgtype.UUID { return pgtype.UUID{Bytes: r.NoticeID, Valid: true} }),
			column(rows, func(r newRow) string { return r.ConsumerID }), ways, ids)
		if err != nil {
			return err
		}
		return s.post(ctx, tx, mails)
	})
	return n, err
}

// post makes a job for each mail.
func (s Inbox) post(ctx context.Context, tx pgx.Tx, ids [][16]byte) error {
	if len(ids) == 0 {
		return nil
	}
	jobs := make([]river.InsertManyParams, len(ids))
	for i, id := range ids {
		jobs[i] = river.InsertManyParams{Args: mailJob{uuid.UUID(id)}}
	}
	_, err := s.db.jobs.InsertManyTx(ctx, tx, jobs)
	return err
}
