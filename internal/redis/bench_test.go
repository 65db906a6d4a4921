package redis_test

import (
	"crypto/rand"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/limit"
	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/internal/testenv"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/resource"
)

// BenchmarkLook finds a token and counts the request, with and without spending
// a proof, at the concurrency of a busy gateway. CPU is of both sides, per look-up.
func BenchmarkLook(b *testing.B) {
	server := testenv.Redis(b)
	c, err := redis.OpenPatient(redis.Config{URL: server.URL(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	now := time.Now().UTC().Truncate(time.Second)
	live := token.Live{
		Access: token.Access{
			Grant: consent.NewGrantID(), Recipient: "app", RequestID: "chain", Scopes: []fdx.Scope{fdx.AccountBasic.Scope(), fdx.Transactions.Scope()},
			KeyThumbprint: "thumbprint", IssuedAt: now, ExpiresAt: now.Add(15 * time.Minute),
		},
		Share: consent.Share{
			Epoch: 1, Recipient: "app", Consumer: "someone", Status: consent.StatusActive, ExpiresAt: now.AddDate(1, 0, 0), LookbackDays: 30,
			Accounts: []consent.AccountShare{{ID: "one", Clusters: fdx.NewClusters(fdx.AccountBasic)}},
		},
	}
	live.Share.Grant = live.Access.Grant
	_, _ = rand.Read(live.Access.Hash[:])
	for _, callers := range []int{1, 64} {
		for name, proved := range map[string]bool{"token": false, "token and proof": true} {
			b.Run(name+"/"+strconv.Itoa(callers), func(b *testing.B) {
				missed, err := c.Look(b.Context(), resource.Lookup{Hash: live.Access.Hash})
				if err == nil && !missed.Found {
					err = c.Fill(b.Context(), missed.Lease, live)
				}
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				if callers == 1 {
					b.SetParallelism(1)
				} else {
					b.SetParallelism(callers / 2)
				}
				ours, theirs := processor(b, 0), processor(b, server.PID())
				b.RunParallel(func(p *testing.PB) {
					var proof *token.Proof
					for p.Next() {
						if proved {
							proof = &token.Proof{ExpiresAt: now.Add(time.Minute)}
							_, _ = rand.Read(proof.Key[:])
						}
						if got, err := c.Look(b.Context(), resource.Lookup{
							Hash: live.Access.Hash, Proof: proof, Bound: "thumbprint", Quotas: resource.Quotas{Recipient: limit.MaxQuota, Consent: limit.MaxQuota},
						}); err != nil || !got.Found || got.Replayed || !got.Counted {
							b.Errorf("%+v %v", got, err)
							return
						}
					}
				})
				b.ReportMetric(float64((processor(b, 0)-ours).Microseconds())/float64(b.N), "client-us/op")
				b.ReportMetric(float64((processor(b, server.PID())-theirs).Microseconds())/float64(b.N), "redis-us/op")
			})
		}
	}
}

// processor returns the processor time that a process has used, 0 for this
// one.
func processor(b *testing.B, pid int) time.Duration {
	if pid == 0 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		b.Skip("the system does not tell")
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		b.Fatal(err1, err2)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
