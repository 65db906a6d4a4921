package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// duplicateDatabase is PostgreSQL's error code for a database that exists.
const duplicateDatabase = "42P04"

// CreateDatabase creates a database on the server behind dsn unless it is
// there. It is for development: in production somebody else does that.
func CreateDatabase(ctx context.Context, dsn, name string) error {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	defer c.Close(ctx) //nolint:errcheck // nothing was left open
	_, err = c.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	var failed *pgconn.PgError
	if errors.As(err, &failed) && failed.Code == duplicateDatabase {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return nil
}
