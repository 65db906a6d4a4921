package redis

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// FuzzAnswer reads whatever a Redis may answer: an error, or what the script
// says about the token that was asked for.
func FuzzAnswer(f *testing.F) {
	now := time.Now().UTC().Truncate(time.Second)
	live := token.Live{
		Access: token.Access{Grant: "grant", Recipient: "app", KeyThumbprint: "key", IssuedAt: now, ExpiresAt: now.Add(time.Minute)},
		Share:  consent.Share{Grant: "grant", Epoch: 1, Recipient: "app", Consumer: "someone", Status: consent.StatusActive, ExpiresAt: now.Add(time.Hour)},
	}
	_, _ = rand.Read(live.Access.Hash[:])
	record := string(token.AppendLive(nil, live))
	for _, answer := range []string{
		"", "0", "0 abc:1", "1", "1 ", "2 1700000000000 0 0 0 0 0 " + record, "1 1700000000000 0 0 0 0 0 " + record, "1 1700000000000 0 1 7 8 9 " + record, "1 1700000000000 1 0 0 0 0 " + record,
		"1 1700000000000 0 2 60000000 1 0 " + record, "1 1700000000000 0 1 7 8 " + record, "1 1700000000000 x 0 0 0 0 " + record, "1 1700000000000 0 0 0 0 0 " + record[1:], "1 1700000000000 0 0 0 0 0 " + record + "x",
		"10 1700000000000 0 0 0 0 0 " + record, "1 x 0 0 0 0 0 " + record, "1 0 0 0 0 0 " + record, "1 1700000000000 0 1 99999999999999999999 0 0 " + record,
	} {
		f.Add(answer)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseAnswer(resource.Lookup{Hash: live.Access.Hash, Quotas: resource.Quotas{Recipient: 10}}, text)
		switch {
		case err != nil:
			if !errors.Is(err, errAnswer) || got.Found || got.Lease != "" {
				t.Errorf("%+v, %v", got, err)
			}
		case got.Found:
			if !strings.HasPrefix(text, "1 ") || got.Live.Access.Hash != live.Access.Hash {
				t.Errorf("found: %+v", got)
			}
		default:
			if got.Replayed || got.Counted || text != "0 "+string(got.Lease) {
				t.Errorf("not found: %+v", got)
			}
		}
	})
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	live := token.Live{Access: token.Access{Grant: "grant"}}
	_, _ = rand.Read(live.Access.Hash[:])
	record := string(token.AppendLive(nil, live))
	q := resource.Lookup{Hash: live.Access.Hash, Quotas: resource.Quotas{Recipient: 60, Consent: 30}}
	got, err := parseAnswer(q, "1 1700000000000 0 1 2000000 4000000 0 "+record)
	if err != nil || !got.Found || got.Replayed || !got.Counted || got.Levels.Recipient.Quota != 60 || got.Levels.Recipient.Wait != 0 ||
		got.Levels.Recipient.Left != 58 || got.Levels.Consent.Left != 28 || got.Live.Access.Grant != "grant" {
		t.Errorf("taken: %+v, %v", got, err)
	}
	got, err = parseAnswer(q, "1 1700000000000 0 2 60000000 4000000 0 "+record)
	if err != nil || !got.Counted || got.Levels.Recipient.Wait == 0 {
		t.Errorf("refused: %+v, %v", got, err)
	}
	got, err = parseAnswer(q, "1 1700000000000 1 0 0 0 0 "+record)
	if err != nil || !got.Found || !got.Replayed || got.Counted {
		t.Errorf("replayed: %+v, %v", got, err)
	}
	got, err = parseAnswer(q, "0 ab12:1793000000000")
	if err != nil || got.Found || got.Lease != "ab12:1793000000000" {
		t.Errorf("not found: %+v, %v", got, err)
	}
	q.Hash[0]++
	if got, err = parseAnswer(q, "1 1700000000000 0 0 0 0 0 "+record); !errors.Is(err, errAnswer) || got.Found {
		t.Errorf("another token's record: %+v, %v", got, err)
	}
}

func TestGoesBack(t *testing.T) {
	t.Parallel()
	const alone = "# Persistence\r\nloading:0\r\naof_enabled:0\r\nrdb_last_load_keys_loaded:0\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
	for info, want := range map[string]bool{
		alone: false,
		"":    false, // a version that does not tell
		strings.Replace(alone, "aof_enabled:0", "aof_enabled:1", 1):                                 true,
		strings.Replace(alone, "keys_loaded:0", "keys_loaded:10", 1):                                true,
		strings.Replace(alone, "connected_slaves:0", "connected_slaves:2\r\nslave0:ip=10.0.0.1", 1): true,
	} {
		if got := goesBack(info); got != want {
			t.Errorf("%q: %v", info, got)
		}
	}
}
