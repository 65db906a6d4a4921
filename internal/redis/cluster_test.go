package redis_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/internal/services"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
)

// slots is how many there are in a Redis Cluster.
const slots = 16384

// cluster is three nodes that share the slots.
type cluster struct {
	t     testing.TB
	nodes [3]*services.Redis
	raw   [3]*goredis.Client
	id    [3]string
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{t: t}
	password := rand.Text()
	for i := range c.nodes {
		var err error
		if c.nodes[i], err = services.StartRedis(t.Context(), services.RedisConfig{ClusterDir: t.TempDir(), Password: password}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.nodes[i].Kill)
		if c.nodes[i].Embedded() {
			t.Fatal(services.ErrNoRedis)
		}
		c.raw[i] = goredis.NewClient(&goredis.Options{Addr: c.address(i), Password: password, DisableIdentity: true})
		t.Cleanup(func() { c.raw[i].Close() })
		c.must(c.raw[i].ClusterAddSlotsRange(t.Context(), slots*i/3, slots*(i+1)/3-1).Err())
		c.must(c.raw[i].Do(t.Context(), "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		c.id[i], err = c.raw[i].Do(t.Context(), "CLUSTER", "MYID").Text()
		c.must(err)
	}
	for i := 1; i < 3; i++ {
		c.must(c.raw[i].Do(t.Context(), "CLUSTER", "MEET", "127.0.0.1", c.nodes[0].Port(), c.bus(0)).Err())
	}
	c.await("a whole cluster", func(i int) bool {
		info, err := c.raw[i].ClusterInfo(t.Context()).Result()
		return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
	})
	return c
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) address(i int) string { return fmt.Sprintf("127.0.0.1:%d", c.nodes[i].Port()) }

// bus is the port on which nodes talk to each other.
func (c *cluster) bus(i int) string {
	set, err := c.raw[i].ConfigGet(c.t.Context(), "cluster-port").Result()
	c.must(err)
	return set["cluster-port"]
}

// await waits until all nodes agree that something is so.
func (c *cluster) await(what string, so func(node int) bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for i := range c.nodes {
		for !so(i) {
			select {
			case <-ctx.Done():
				c.t.Fatalf("not %s", what)
			case <-time.After(20 * time.Millisecond): // polling, not waiting
			}
		}
	}
}

// url names all three nodes, beginning with one of them.
func (c *cluster) url(first int) string {
	u, err := url.Parse(c.nodes[first].URL())
	c.must(err)
	u.Path = ""
	for i := range c.nodes {
		u.RawQuery += fmt.Sprintf("&addr=%s", c.address(i))
	}
	u.RawQuery = strings.TrimPrefix(u.RawQuery, "&")
	return u.String()
}

// slot is where our keys are.
func (c *cluster) slot() int {
	n, err := c.raw[0].ClusterKeySlot(c.t.Context(), "{headgate}:generation").Result()
	c.must(err)
	return int(n)
}

// owner is the node that has it.
func (c *cluster) owner() int {
	n := c.slot()
	for i := range c.nodes {
		if n >= slots*i/3 && n < slots*(i+1)/3 {
			return i
		}
	}
	panic("nobody")
}

func (c *cluster) empty() {
	for i := range c.nodes {
		c.must(errors.Join(c.raw[i].FlushAll(c.t.Context()).Err(), c.raw[i].ScriptFlush(c.t.Context()).Err()))
	}
}

// The whole contract, on a real cluster.
func TestCacheOnARedisCluster(t *testing.T) {
	t.Parallel()
	whole := newCluster(t)
	// The parts of the contract look at tokens of their own and may share it,
	// but for those that empty it: these have one each.
	resourcetest.Cache(t, func(t *testing.T) resourcetest.CacheFixture {
		c := whole
		if strings.Contains(t.Name(), "restart") || strings.Contains(t.Name(), "quota") {
			c = newCluster(t)
		}
		a, b := patient(t, c.url(0)), patient(t, c.url(1))
		return resourcetest.CacheFixture{A: a, B: b, Ended: b, Restart: c.empty}
	})
}

// The shard moves to another node under way: calls fail for a moment, none of
// them takes long, and then all is well without a restart.
func TestAShardThatMoves(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cache := open(t, c.url(0))
	recovered(t, cache)
	c.empty()
	from, slot := c.owner(), c.slot()
	to := (from + 1) % 3
	for _, i := range []int{to, from, (from + 2) % 3} {
		c.must(c.raw[i].Do(t.Context(), "CLUSTER", "SETSLOT", slot, "NODE", c.id[to]).Err())
	}
	within(t, cache)
	recovered(t, cache)
	keys, err := c.raw[to].Keys(t.Context(), "*").Result()
	c.must(err)
	if len(keys) == 0 {
		t.Error("the new owner has nothing")
	}
}

// Nodes that we do not use do not hold us up, and the one that we use does so
// only for the moment that any Redis may.
func TestAFrozenNode(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cache := open(t, c.url(0))
	recovered(t, cache)
	freeze := func(i int, s syscall.Signal) { c.must(syscall.Kill(c.nodes[i].PID(), s)) }
	owner := c.owner()
	other := (owner + 1) % 3
	freeze(other, syscall.SIGSTOP)
	recovered(t, cache)
	freeze(other, syscall.SIGCONT)
	freeze(owner, syscall.SIGSTOP)
	within(t, cache)
	freeze(owner, syscall.SIGCONT)
	recovered(t, cache)
}

// within makes calls until one says that Redis was given up or answers, and
// none may take long.
func within(t *testing.T, cache *redis.Cache) {
	t.Helper()
	for range 50 {
		start := time.Now()
		_, err := cache.Look(t.Context(), resource.Lookup{Hash: token.Hash{}})
		if took := time.Since(start); took > slow {
			t.Errorf("a call took %s", took)
		}
		if err == nil || errors.Is(err, redis.ErrDown) {
			return
		}
	}
	t.Error("still asked after fifty failures")
}
