package sqlviews

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/headgate/headgate/resource"
)

// clean returns an error that may be logged. What PostgreSQL says about data
// repeats the data (invalid input syntax for type date: "..."), so only the
// SQLSTATE stays of it; what it says about names, rights and resources stays
// whole. Causes that trying later may mend are resource.ErrUnavailable.
func clean(what string, err error) error {
	what = "sqlviews: " + what
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		text := "the database answered SQLSTATE " + pg.Code
		if class := pg.Code[:min(2, len(pg.Code))]; strings.Contains("08 28 3D 42 53 57", class) {
			text += " (" + pg.Message + ")"
			if class != "42" {
				return fmt.Errorf("%s: %s: %w", what, text, resource.ErrUnavailable)
			}
		}
		return errors.New(what + ": " + text)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", what, err)
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return fmt.Errorf("%s: cannot connect: %w", what, resource.ErrUnavailable)
	}
	return fmt.Errorf("%s: %w", what, err)
}
