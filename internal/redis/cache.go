package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

var (
	_ resource.Cache = (*Cache)(nil)
	_ consent.Cache  = (*Cache)(nil)

	_ consent.Reminded = (*Cache)(nil)
)

// The life of entries.
const (
	maxEntry    = 60 * time.Second
	maxFillLag  = 5 * time.Second
	tombstones  = 2 * maxEntry // longer than any entry and any fill under way
	generations = 24 * time.Hour
	// setBack is how far the clock of Redis may be set back unnoticed.
	setBack = time.Second
)

const (
	prefix        = "{headgate}:"
	tokenPrefix   = prefix + "token:"
	proofPrefix   = prefix + "proof:"
	generationKey = prefix + "generation"
)

func tokenKey(h token.Hash) string             { return string(appendHexKey(nil, tokenPrefix, h)) }
func endedKey(id consent.GrantID) string       { return prefix + "ended:" + string(id) }
func stoppedKey(id consent.RecipientID) string { return prefix + "stopped:" + string(id) }
func milliseconds(d time.Duration) int64       { return d.Milliseconds() }

func appendHexKey(b []byte, kind string, sum [32]byte) []byte {
	return hex.AppendEncode(append(b, kind...), sum[:])
}

// appendFresh appends 128 random bits in hexadecimal.
func appendFresh(to []byte) []byte {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it ends the process instead
	return hex.AppendEncode(to, b[:])
}

// lookScript finds a token whose grant has not moved on and whose recipient
// was not stopped since it was looked for, if it is young
// enough, spends the proof, and takes the request from the quotas (package
// limit has the arithmetic). Only a proof that was not spent and the holder of
// what the token is bound to take anything, and only from all quotas at once.
// The age of an entry counts from the look-up
// that came before the truth was read (fillScript's lease): counted from the
// fill, a record read before the end of a grant could look fresh after it.
// Epochs are compared as Lua numbers, exact up to 2^53.
//
// Whose tombstones and whose buckets these are only the token's entry says, so
// that their keys cannot be in KEYS. They are made of a prefix with the same
// hash tag, and so on the same shard.
//
// KEYS: token, generation, and proof if there is one.
// ARGV: prefix of all keys, fresh random, life of a generation in ms, end of
// the proof in ms since 1970, most age in ms, what the request proved to hold,
// quotas a minute of recipient, consent and bank (none: 0). A recipient's own
// is in the entry.
// Answer: "1", the time in ms since 1970, 1 if the proof was spent before, quotas (0 nothing taken, 1
// taken, 2 refused), fill of the three buckets in us, and the record; or "0"
// and the lease; each after a space. One text costs both sides less than a list.
var lookScript = goredis.NewScript(`
local entry = redis.call('HMGET', KEYS[1], 'g', 'e', 'v', 'l', 'r', 'b', 'q')
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local looked = tonumber(entry[4] or '') or 0
local age = now - looked
if entry[1] and entry[2] and entry[3] and entry[5] and entry[7] and age >= 0 and age <= tonumber(ARGV[5]) then
  local told = redis.call('MGET', ARGV[1] .. 'ended:' .. entry[1], ARGV[1] .. 'stopped:' .. entry[5])
  if (not told[1] or tonumber(told[1]) <= tonumber(entry[2])) and (not told[2] or tonumber(told[2]) < looked) then
    local replayed = 0
    if KEYS[3] then
      local life = tonumber(ARGV[4]) - now
      if life > 0 and not redis.call('SET', KEYS[3], '1', 'NX', 'PX', string.format('%.0f', life)) then
        replayed = 1
      end
    end
    if replayed == 1 or not ARGV[6] or entry[6] ~= ARGV[6] then
      return string.format('1 %.0f %d 0 0 0 0 ', now, replayed) .. entry[3]
    end
    local quotas, any = {}, false
    for i = 1, 3 do
      quotas[i] = tonumber(ARGV[6 + i])
      if i == 1 and tonumber(entry[7]) > 0 then
        quotas[i] = tonumber(entry[7])
      end
      any = any or quotas[i] > 0
    end
    if not any then
      return string.format('1 %.0f %d 0 0 0 0 ', now, replayed) .. entry[3]
    end
    local minute = 60000000
    local at = tonumber(time[1]) * 1000000 + tonumber(time[2])
    local keys = {'recipient:' .. entry[5], 'consent:' .. entry[1], 'bank'}
    local fill, share, taken = {0, 0, 0}, {}, 1
    for i = 1, 3 do
      local quota = quotas[i]
      if quota > 0 then
        keys[i] = ARGV[1] .. 'rate:' .. keys[i]
        fill[i] = math.max(0, tonumber(redis.call('GET', keys[i]) or '0') - at)
        if fill[i] > minute then
          fill[i] = 0
        end
        share[i] = minute / quota
        if fill[i] + share[i] > minute then
          taken = 2
        end
      end
    end
    if taken == 1 then
      for i = 1, 3 do
        if share[i] then
          fill[i] = math.floor(fill[i] + share[i])
          redis.call('PSETEX', keys[i], math.max(1, math.ceil(fill[i] / 1000)), at + fill[i])
        end
      end
    end
    return string.format('1 %.0f %d %d %d %d %d ', now, replayed, taken, fill[1], fill[2], fill[3]) .. entry[3]
  end
end
local generation = redis.call('GET', KEYS[2])
if not generation then
  generation = ARGV[2]
  redis.call('SET', KEYS[2], generation, 'PX', ARGV[3])
end
return '0 ' .. generation .. ':' .. string.format('%.0f', now)
`)

// fillScript stores a token unless its lease has lapsed, the grant has moved
// on, the recipient was stopped since the lease, or a later version is there
// already.
//
// KEYS: token, generation, tombstone of the grant, tombstone of the recipient.
// ARGV: lease, most lag in ms, grant, epoch, record, most life in ms, end of
// the token in ms since 1970, recipient, what the token is bound to, the
// recipient's own quota a minute (none: 0).
// Answer: 1 if stored.
var fillScript = goredis.NewScript(`
local generation, looked = string.match(ARGV[1], '^(%x+):(%d+)$')
if not generation or redis.call('GET', KEYS[2]) ~= generation then
  return 0
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lag = now - tonumber(looked)
if lag < 0 or lag > tonumber(ARGV[2]) then
  return 0
end
local epoch = tonumber(ARGV[4])
local ended = redis.call('GET', KEYS[3])
if ended and tonumber(ended) > epoch then
  return 0
end
local stopped = redis.call('GET', KEYS[4])
if stopped and tonumber(stopped) >= tonumber(looked) then
  return 0
end
local there = redis.call('HGET', KEYS[1], 'e')
if there and tonumber(there) > epoch then
  return 0
end
local life = math.min(tonumber(ARGV[6]), tonumber(ARGV[7]) - now)
if life <= 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'g', ARGV[3], 'e', ARGV[4], 'v', ARGV[5], 'l', looked, 'r', ARGV[8], 'b', ARGV[9], 'q', ARGV[10])
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', life))
return 1
`)

// endedScript raises tombstones and never lowers one.
//
// KEYS: tombstones of grants. ARGV: life in ms, and the epoch of each.
var endedScript = goredis.NewScript(`
for i, key in ipairs(KEYS) do
  local there = redis.call('GET', key)
  if not there or tonumber(there) <= tonumber(ARGV[1 + i]) then
    redis.call('SET', key, ARGV[1 + i], 'PX', ARGV[1])
  end
end
return 1
`)

// endedBatch is how many tombstones one call places: about a millisecond of
// Redis.
const endedBatch = 500

// stoppedScript raises the tombstone of a recipient to the present, and never
// lowers it: what was looked for up to then was read while the recipient was
// not known to be stopped. It goes ahead of the clock by as much as that may be
// set back.
//
// KEYS: tombstone of the recipient. ARGV: how far ahead in ms, life in ms.
var stoppedScript = goredis.NewScript(`
local time = redis.call('TIME')
local at = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[1])
local there = redis.call('GET', KEYS[1])
if there and tonumber(there) > at then
  at = tonumber(there)
end
redis.call('SET', KEYS[1], string.format('%.0f', at), 'PX', ARGV[2])
return 1
`)

// Look implements resource.Cache.
func (c *Cache) Look(ctx context.Context, q resource.Lookup) (resource.Cached, error) {
	return c.look(ctx, q, maxEntry+maxFillLag)
}

// Recent implements authz.Cache. One round trip when it finds the token, and
// none where another Redis may take the place of this one: the truth is read.
func (c *Cache) Recent(ctx context.Context, h token.Hash, read func(context.Context) (token.Live, error)) (token.Live, error) {
	if c.failover {
		return read(ctx)
	}
	cached, err := c.look(ctx, resource.Lookup{Hash: h}, consent.Freshness)
	if err == nil && cached.Found {
		return cached.Live, nil
	}
	live, err := read(ctx)
	if err != nil {
		return token.Live{}, err
	}
	if cached.Lease != "" {
		_ = c.Fill(ctx, cached.Lease, live) // it only makes the next one faster
	}
	return live, nil
}

// Fill implements resource.Cache.
func (c *Cache) Fill(ctx context.Context, lease resource.Lease, l token.Live) error {
	end := l.Access.ExpiresAt
	if l.Share.ExpiresAt.Before(end) {
		end = l.Share.ExpiresAt
	}
	_, err := c.run(ctx, fillScript,
		[]string{tokenKey(l.Access.Hash), generationKey, endedKey(l.Share.Grant), stoppedKey(l.Share.Recipient)},
		string(lease), milliseconds(maxFillLag), string(l.Share.Grant), l.Share.Epoch,
		token.AppendLive(make([]byte, 0, 512), l), milliseconds(maxEntry), end.UnixMilli(),
		string(l.Share.Recipient), bound(l), l.Quota)
	if err != nil {
		return fmt.Errorf("fill token: %w", err)
	}
	return nil
}

// bound is what a token is bound to: of the two it has one.
func bound(l token.Live) string { return l.Access.KeyThumbprint + l.Access.CertThumbprint }

// Ended implements consent.Cache. Where another Redis may take the place of
// this one nothing rests on it, so that it never fails.
func (c *Cache) Ended(ctx context.Context, id consent.GrantID, epoch int64) error {
	err := c.tell(ctx, endedScript, []string{endedKey(id)}, milliseconds(tombstones), epoch)
	if err != nil && !c.failover {
		return fmt.Errorf("place tombstone of grant %s: %w", id, err)
	}
	return nil
}

// EndedAll implements consent.Reminded. One round trip for every 500.
func (c *Cache) EndedAll(ctx context.Context, moved []consent.Move) error {
	for batch := range slices.Chunk(moved, endedBatch) {
		keys, args := make([]string, len(batch)), make([]any, 1, 1+len(batch))
		args[0] = milliseconds(tombstones)
		for i, m := range batch {
			keys[i] = endedKey(m.Grant)
			args = append(args, m.Epoch)
		}
		if err := c.tell(ctx, endedScript, keys, args...); err != nil {
			return fmt.Errorf("place tombstones of grants: %w", err)
		}
	}
	return nil
}

// Stopped implements consent.Cache, as Ended does.
func (c *Cache) Stopped(ctx context.Context, id consent.RecipientID) error {
	err := c.tell(ctx, stoppedScript, []string{stoppedKey(id)}, milliseconds(setBack), milliseconds(tombstones))
	if err != nil && !c.failover {
		return fmt.Errorf("place tombstone of recipient: %w", err)
	}
	return nil
}

// run runs a script by its hash, and by its text when a Redis that was
// restarted does not have it yet.
func (c *Cache) run(ctx context.Context, s *goredis.Script, keys []string, args ...any) (answer any, err error) {
	err = c.ask(ctx, func(ctx context.Context) (err error) {
		answer, err = s.Run(ctx, c.client, keys, args...).Result()
		return err
	})
	return answer, err
}

// tell runs a script that takes something away, whether or not Redis is given
// up for the moment. The caller's context bounds it where a Redis Cluster has
// to be asked for its map first.
func (c *Cache) tell(ctx context.Context, s *goredis.Script, keys []string, args ...any) error {
	return s.Run(ctx, c.ends, keys, args...).Err()
}

// ask makes one call unless Redis is given up for the moment.
func (c *Cache) ask(ctx context.Context, call func(context.Context) error) error {
	if c.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.within)
		defer cancel()
	}
	_, err := c.breaker.Execute(func() (struct{}, error) { return struct{}{}, call(ctx) })
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return ErrDown
	}
	return err
}
