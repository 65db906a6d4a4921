package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/headgate/headgate/consent"
	"github.com/jackc/pgx/v5/pgconn"
)

var errUnreplicated = errors.New("commit not confirmed by the standby")

// classify maps an error of a statement: those that mean that the database
// cannot answer now wrap consent.ErrUnavailable, all others stay as they are.
func classify(err error) error {
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && transient(pg.Code),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unavailable(err)
	}
	return err
}

func unavailable(err error) error {
	return fmt.Errorf("postgres: %w: %w", consent.ErrUnavailable, err)
}

// transient reports whether an SQLSTATE says something about the server's
// state and not about the statement (PostgreSQL manual, appendix A).
func transient(code string) bool {
	switch code {
	case "25006", // read_only_sql_transaction: a standby, or an old primary
		"25P03", // idle_in_transaction_session_timeout
		"55P03": // lock_not_available: lock_timeout
		return true
	}
	for _, class := range []string{
		"08", // connection exception
		"40", // transaction rollback: deadlock, serialization failure
		"53", // insufficient resources: disk full, too many connections
		"57", // operator intervention: shutdown, crash, statement_timeout
		"58", // system error: I/O
	} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}

func hasCode(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}

// violates reports whether err is a second row under the named unique
// constraint.
func violates(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505" && pg.ConstraintName == constraint
}
