package fdx_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/headgate/headgate/fdx"
)

func TestErrorTable(t *testing.T) {
	t.Parallel()
	// Code, status: stated a second time, so that a slip in the table shows.
	want := []struct {
		err    *fdx.Error
		code   string
		status int
	}{
		{fdx.ErrInvalidInput, "401", 400},
		{fdx.ErrForbidden, "403", 403},
		{fdx.ErrConflict, "409", 409},
		{fdx.ErrInternal, "500", 500},
		{fdx.ErrSubsystem, "501", 502},
		{fdx.ErrUpstreamTimeout, "501", 504},
		{fdx.ErrMaintenance, "503", 503},
		{fdx.ErrCustomerNotFound, "601", 404},
		{fdx.ErrCustomerNotAuthorized, "602", 403},
		{fdx.ErrAuthentication, "603", 401},
		{fdx.ErrAccountNotFound, "701", 404},
		{fdx.ErrInvalidDate, "702", 400},
		{fdx.ErrInvalidDateRange, "703", 400},
		{fdx.ErrAccountTypeNotSupported, "704", 422},
		{fdx.ErrAccountClosed, "705", 409},
		{fdx.ErrAccountLocked, "706", 403},
		{fdx.ErrRewardProgramNotFound, "1101", 404},
		{fdx.ErrRewardCategoriesNotFound, "1102", 404},
		{fdx.ErrImageNotFound, "1103", 404},
		{fdx.ErrStatementNotFound, "1104", 404},
		{fdx.ErrNotImplemented, "1106", 501},
		{fdx.ErrDataNotFound, "1107", 404},
		{fdx.ErrNoStatements, "1108", 404},
		{fdx.ErrNotAcceptable, "1203", 406},
		{fdx.ErrMethodNotAllowed, "1206", 405},
		{fdx.ErrTooManyRequests, "1207", 429},
		{fdx.ErrStatementProcessing, "1300", 400},
	}
	table := fdx.Errors()
	if len(table) != len(want) {
		t.Fatalf("%d rows, want %d", len(table), len(want))
	}
	last := 0
	for i, row := range want {
		if table[i] != row.err || row.err.Code != row.code || row.err.Status != row.status || row.err.Message == "" || row.err.Debug != "" {
			t.Errorf("row %s/%d is %+v", row.code, row.status, *table[i])
		}
		code, err := strconv.Atoi(row.err.Code)
		if err != nil || code < last {
			t.Errorf("code %s is out of order", row.err.Code)
		}
		last = code
	}
}

func TestErrorsAreTheSameByCodeAndStatus(t *testing.T) {
	t.Parallel()
	for i, a := range fdx.Errors() {
		wrapped := fmt.Errorf("read: %w", a.WithDebug("why"))
		for j, b := range fdx.Errors() {
			if errors.Is(wrapped, b) != (i == j) {
				t.Errorf("%s/%d against %s/%d is wrong", a.Code, a.Status, b.Code, b.Status)
			}
		}
	}
	var nothing *fdx.Error
	if fdx.ErrInternal.Is(nothing) || fdx.ErrInternal.Is(errors.ErrUnsupported) {
		t.Error("an error is something else")
	}
}

func TestWithDebugIsACopy(t *testing.T) {
	t.Parallel()
	e := fdx.ErrInvalidDate.WithDebug("dates have the form YYYY-MM-DD")
	if fdx.ErrInvalidDate.Debug != "" || e.Code != "702" {
		t.Error("WithDebug changed the table")
	}
	if got := e.Error(); got != "Invalid start or end date: dates have the form YYYY-MM-DD" {
		t.Errorf("text is %s", got)
	}
}

func TestErrorBody(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]*fdx.Error{
		`{"code":"701","message":"Account not found"}`:                                fdx.ErrAccountNotFound,
		`{"code":"401","message":"Invalid Input","debugMessage":"limit is repeated"}`: fdx.ErrInvalidInput.WithDebug("limit is repeated"),
		`{"code":"1106","message":"FdxVersion not supported or not implemented"}`:     fdx.ErrNotImplemented,
	} {
		if got, err := json.Marshal(e); err != nil || string(got) != want {
			t.Errorf("got %s, %v", got, err)
		}
	}
}
