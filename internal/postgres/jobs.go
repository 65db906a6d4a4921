package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/consent/notice"
	"github.com/headgate/headgate/consent/policy"
	"github.com/headgate/headgate/fdx"
)

// deliverJob reminds a worker of one delivery.
type deliverJob struct {
	Subscription string `json:"subscription"`
	Sequence     int64  `json:"sequence"`
}

// Kind implements river.JobArgs.
func (deliverJob) Kind() string { return "notification_delivery" }

// upkeepJob runs Upkeep.
type upkeepJob struct{}

// Kind implements river.JobArgs.
func (upkeepJob) Kind() string { return "notification_upkeep" }

const (
	// pollEvery is how often workers look for jobs.
	pollEvery = 500 * time.Millisecond
	// jobTimeout bounds one job; one that a killed process left behind is
	// taken up again after rescueAfter.
	jobTimeout  = 30 * time.Second
	rescueAfter = time.Minute
	upkeepEvery = time.Minute
	// remindEvery is how often every process looks for deliveries that nobody
	// comes for. The queue itself is too slow for what a killed process held:
	// it looks for such jobs twice a minute, and only once it has a leader
	// again.
	remindEvery = 2 * time.Second
	startAgain  = 5 * time.Second
	// maxJobAttempts bounds attempts that fail because the database does: what
	// the other side answers is no failure of a job. A job that is given up is
	// made again by Upkeep.
	maxJobAttempts = 1000
)

// quiet keeps the queue from using LISTEN and NOTIFY. A transaction that
// notifies holds a lock of the whole database while it commits, and stops must
// not queue up for it; workers poll instead.
type quiet struct {
	riverdriver.Driver[pgx.Tx]
}

// SupportsListener implements riverdriver.Driver.
func (quiet) SupportsListener() bool { return false }

// SupportsListenNotify implements riverdriver.Driver.
func (quiet) SupportsListenNotify() bool { return false }

// newInserter returns what only makes jobs, each in the transaction of its
// caller.
func newInserter() (*river.Client[pgx.Tx], error) {
	c, err := river.NewClient(quiet{riverpgxv5.New(nil)}, &river.Config{
		Logger: slog.New(slog.DiscardHandler), MaxAttempts: maxJobAttempts,
	})
	if err != nil {
		return nil, fmt.Errorf("postgres: job queue: %w", err)
	}
	return c, nil
}

// remind makes a job for each delivery. One round trip.
func (db *DB) remind(ctx context.Context, tx pgx.Tx, keys []notice.Key) error {
	return db.insertJobs(ctx, tx, keys, nil)
}

func (db *DB) insertJobs(ctx context.Context, tx pgx.Tx, keys []notice.Key, opts *river.InsertOpts) error {
	if len(keys) == 0 {
		return nil
	}
	jobs := make([]river.InsertManyParams, len(keys))
	for i, k := range keys {
		jobs[i] = river.InsertManyParams{Args: deliverJob{string(k.Subscription), k.Sequence}, InsertOpts: opts}
	}
	_, err := db.jobs.InsertManyTx(ctx, tx, jobs)
	return err
}

// unfinished are the states of a job that will still run.
func unfinished() []rivertype.JobState {
	return []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
		rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}
}

// JobsConfig is what RunJobs needs.
type JobsConfig struct {
	// Deliver carries out a delivery; see outbox.Outbox.Work. Required.
	Deliver func(context.Context, notice.Key) (again time.Duration, err error)
	// Mail sends a mail to a person; see mail.Courier.Work. nil makes no mail.
	Mail func(context.Context, inbox.MailID) (again time.Duration, err error)
	// Rules say when people are told of what is due by time. Required.
	Rules *policy.Book
	// Workers is how many jobs of each queue run at a time. Required.
	Workers int
	// Grace is for how long jobs may go on after RunJobs was told to end.
	Grace time.Duration
	Log   *slog.Logger // required
}

// RunJobs works off the job queue until ctx ends, then lets the jobs that run
// finish. Any number of processes may do so. While the database is away it
// waits for it. It should have a DB of its own, so that it takes no connection
// from those who wait; a few connections serve many workers.
func (db *DB) RunJobs(ctx context.Context, c JobsConfig) error {
	if c.Deliver == nil || c.Rules == nil || c.Workers < 1 || c.Log == nil {
		return errors.New("postgres: jobs need Deliver, Rules, Workers and Log")
	}
	for {
		client, err := db.newWorkers(c)
		if err != nil {
			return err
		}
		if err = client.Start(ctx); err == nil {
			var reminding sync.WaitGroup
			reminding.Go(func() { db.keepReminding(ctx) })
			<-client.Stopped()
			reminding.Wait()
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
		c.Log.Warn("job queue does not start", slog.String("cause", err.Error()))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(startAgain):
		}
	}
}

// keepReminding makes the jobs of forgotten deliveries until ctx ends. What
// fails is done by the next round.
func (db *DB) keepReminding(ctx context.Context) {
	every := time.NewTicker(remindEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			_ = db.Notices().remindForgotten(ctx)
		}
	}
}

func (db *DB) newWorkers(c JobsConfig) (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[deliverJob]) error {
		again, err := c.Deliver(ctx, notice.Key{Subscription: fdx.SubscriptionID(job.Args.Subscription), Sequence: job.Args.Sequence})
		if err == nil && again > 0 {
			return river.JobSnooze(again)
		}
		return err
	}))
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, _ *river.Job[upkeepJob]) error {
		return db.Notices().Upkeep(ctx)
	}))
	db.addNoticeWorkers(workers, c.Rules, c.Mail)
	client, err := river.NewClient(quiet{riverpgxv5.New(db.pool)}, &river.Config{
		Logger: c.Log, Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: c.Workers}, noticesQueue: {MaxWorkers: c.Workers}},
		PollOnly: true, FetchCooldown: pollEvery / 5, FetchPollInterval: pollEvery,
		JobTimeout: jobTimeout, RescueStuckJobsAfter: rescueAfter, SoftStopTimeout: c.Grace,
		MaxAttempts: maxJobAttempts, RetryPolicy: soon{},
		CompletedJobRetentionPeriod: time.Hour,
		// Rebuilding indexes takes longer than a statement may here.
		ReindexerSchedule: river.NeverSchedule(),
		PeriodicJobs: append(noticeJobs(), river.NewPeriodicJob(river.PeriodicInterval(upkeepEvery), func() (river.JobArgs, *river.InsertOpts) {
			return upkeepJob{}, &river.InsertOpts{MaxAttempts: 1}
		}, &river.PeriodicJobOpts{RunOnStart: true})),
	})
	if err != nil {
		return nil, fmt.Errorf("postgres: job queue: %w", err)
	}
	return client, nil
}

// soon retries a job that failed for a cause of ours.
type soon struct{}

// NextRetry implements river.ClientRetryPolicy.
func (soon) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(time.Duration(min(len(job.Errors)+1, 30)) * time.Second)
}

// migrateJobs brings the tables of the job queue to the version that this
// program is built with. Its migrations are committed one by one, and those
// that are there already are left alone, a newer version's as well.
func migrateJobs(ctx context.Context, pool *pgxpool.Pool) error {
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}
