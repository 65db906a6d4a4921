package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/headgate/headgate/internal/limit"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// question is one run of lookScript. Every read asks one, so that all of it is
// made in three pieces of memory: the question, its texts and its first key.
// The arguments point into it.
type question struct {
	sha, proof, fresh, bound string
	life, proofEnds, age     int64
	quotas                   resource.Quotas
	keys                     int // how many of args[3:] are keys
	args                     [15]any

	cmd  *goredis.StringCmd
	err  error     // of cmd, or of a trip that was not made
	turn chan bool // of who has to wait: see trips
}

// ask fills in the question and its command.
func (k *question) ask(ctx context.Context, q resource.Lookup, age time.Duration) {
	var space [3 * 96]byte
	b := appendHexKey(space[:0], tokenPrefix, q.Hash)
	tokenEnds := len(b)
	b = appendFresh(b)
	freshEnds := len(b)
	if q.Proof != nil {
		b = appendHexKey(b, proofPrefix, q.Proof.Key)
		k.proofEnds = q.Proof.ExpiresAt.UnixMilli()
	}
	text := string(b)
	k.sha, k.fresh, k.proof = lookScript.Hash(), text[tokenEnds:freshEnds], text[freshEnds:]
	k.life, k.age, k.bound, k.quotas = milliseconds(generations), milliseconds(age), q.Bound, q.Quotas

	// A cluster finds the shard by the first key, which has to be a plain text.
	args := append(k.args[:0], "evalsha", &k.sha, 2, text[:tokenEnds], generationKey)
	k.keys = 2
	if q.Proof != nil {
		args = append(args, &k.proof)
		k.keys = 3
	}
	args[2] = k.keys
	args = append(args, prefix, &k.fresh, &k.life, &k.proofEnds, &k.age)
	if q.Bound != "" {
		args = append(args, &k.bound, &k.quotas.Recipient, &k.quotas.Consent, &k.quotas.Bank)
	}
	k.cmd = goredis.NewStringCmd(ctx, args...)
	k.cmd.SetFirstKeyPos(3)
}

// look finds entries of at most that age.
func (c *Cache) look(ctx context.Context, q resource.Lookup, age time.Duration) (resource.Cached, error) {
	k := new(question)
	k.ask(ctx, q, age)
	c.lookAt(ctx, k)
	text, err := k.cmd.Val(), k.err
	if forgot(err) {
		keys := []string{tokenKey(q.Hash), generationKey, k.proof}[:k.keys]
		err = c.ask(ctx, func(ctx context.Context) (err error) {
			text, err = lookScript.Eval(ctx, c.client, keys, k.cmd.Args()[3+k.keys:]...).Text()
			return err
		})
	}
	if err != nil {
		return resource.Cached{}, fmt.Errorf("look up token: %w", err)
	}
	return parseAnswer(q, text)
}

// errAnswer: Redis answered something that our scripts do not say.
var errAnswer = errors.New("redis: unexpected answer")

// parseAnswer reads what lookScript says.
func parseAnswer(q resource.Lookup, text string) (resource.Cached, error) {
	found, text, ok := strings.Cut(text, " ")
	switch {
	case !ok:
		return resource.Cached{}, errAnswer
	case found == "0":
		return resource.Cached{Lease: resource.Lease(text)}, nil
	case found != "1":
		return resource.Cached{}, errAnswer
	}
	var n [6]int64 // when, replayed, quotas, three fills
	for i := range n {
		var number string
		number, text, _ = strings.Cut(text, " ")
		var err error
		if n[i], err = strconv.ParseInt(number, 10, 64); err != nil {
			return resource.Cached{}, errAnswer
		}
	}
	live, err := token.ParseLive(text)
	if err != nil || live.Access.Hash != q.Hash {
		// Written by another release, or not by us at all: as good as an
		// error, so that nothing is filled over it either.
		return resource.Cached{}, errAnswer
	}
	live.At = time.UnixMilli(n[0]).UTC()
	cached := resource.Cached{Found: true, Live: live, Replayed: n[1] != 0, Counted: n[2] != 0}
	if cached.Counted {
		level := func(quota int, fill int64) limit.Level {
			return limit.LevelOf(quota, time.Duration(fill)*time.Microsecond, n[2] == 2)
		}
		quotas := q.Quotas.Of(live.Quota)
		cached.Levels = resource.Levels{
			Recipient: level(quotas.Recipient, n[3]), Consent: level(quotas.Consent, n[4]), Bank: level(quotas.Bank, n[5]),
		}
	}
	return cached, nil
}
