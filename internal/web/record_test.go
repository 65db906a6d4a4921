package web

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// Ids are of version 7, as the library reads it, and sorted by time.
func TestRecordsAreNumbered(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var last string
	seen := map[string]bool{}
	for range 4096 {
		r := new(record)
		r.number(at)
		read, err := uuid.Parse(r.id.String())
		if err != nil || read.Version() != 7 || read.Variant() != uuid.RFC4122 {
			t.Fatalf("%s: %v", r.id, err)
		}
		if s, ns := read.Time().UnixTime(); time.Unix(s, ns).Truncate(time.Millisecond) != at.Truncate(time.Millisecond).Local() {
			t.Errorf("%s is of %s, want %s", read, time.Unix(s, ns), at)
		}
		if read.String() <= last || seen[read.String()[19:]] {
			t.Errorf("%s comes after %s", read, last)
		}
		last, seen[read.String()[19:]] = read.String(), true
		at = at.Add(time.Millisecond / 8)
	}
}
