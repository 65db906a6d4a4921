package postgres

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/fdx"
)

// nullable maps the zero time, which is "not yet", to NULL.
func nullable(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// instant is the opposite of nullable, in UTC.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// words returns list, never nil, as the columns for lists are NOT NULL.
func words[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// typed is the opposite of words: nil when there are none.
func typed[S ~string](list []string) []S {
	if len(list) == 0 {
		return nil
	}
	out := make([]S, len(list))
	for i, s := range list {
		out[i] = S(s)
	}
	return out
}

// encode returns a value as JSON. The types it is used for have no values
// that JSON lacks.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("postgres: encode: %w", err)
	}
	return b, nil
}

func decode(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("postgres: decode: %w", err)
	}
	return nil
}

// clusters reads stored names. A name that this program does not know is an
// error: a set is never silently smaller or larger than what was stored.
func clusters(names []string) (fdx.Clusters, error) {
	var set fdx.Clusters
	for _, name := range names {
		c, err := fdx.ParseCluster(name)
		if err != nil {
			return 0, fmt.Errorf("postgres: stored clusters: %w", err)
		}
		set = set.With(c)
	}
	return set, nil
}
