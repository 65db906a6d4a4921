package bench

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/cmd/internal/gatewayd"
)

// rateOf returns a load of one read, over one connection, of what a handler
// serves.
func rateOf(t *testing.T, h http.HandlerFunc) rateJob {
	t.Helper()
	j := serveHandler(t, h)
	return rateJob{
		Address: j.Address, CAFile: j.CAFile, Callers: 1, Rate: 1000, Measure: 20 * time.Millisecond,
		Reads: []rateRead{{Path: "/page?limit=1", URL: "https://bank.example/page", Token: "t", Key: newKey(t)}},
	}
}

// A server that stalls once has kept everybody waiting whose read was due
// meanwhile. A generator that waits for the answer before it looks at the clock
// again would see one slow read.
func TestAStallIsChargedForAllWhoWait(t *testing.T) {
	t.Parallel()
	const stall = 200 * time.Millisecond
	var asked atomic.Int64
	j := rateOf(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 2 { // the first one is before the clock starts
			<-time.After(stall) // the stall itself; nothing waits for it to be over
		}
		_, _ = w.Write([]byte("body"))
	})
	j.Measure = 100 * time.Millisecond
	a, err := j.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The last one was due 99 ms after the first, and had 101 ms to wait.
	if a.Count != 100 || a.Warm != 1 || asked.Load() != 101 || a.P50 < stall/2 || a.Longest < stall || a.Late < 99 || len(a.Faults) > 0 {
		t.Errorf("%d asked: %+v", asked.Load(), a)
	}
}

func TestFaultsAreCountedByWhatCame(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	j := rateOf(t, func(w http.ResponseWriter, _ *http.Request) {
		refuse := func(status int, body string) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
		switch n := asked.Add(1); {
		case n == 1 || n > 12:
			_, _ = w.Write([]byte("body"))
		case n > 10:
			refuse(206, "part") // of what was asked for, which is data
		case n < 3: // what is not looked at must not be taken for the next answer
			refuse(502, strings.Repeat("<p>", 400))
		case n < 5:
			refuse(503, `{"code":"500","message":"`+strings.Repeat("x", 100)+`"}`)
		case n < 8:
			refuse(429, `{"code":1207}`)
		default:
			panic(http.ErrAbortHandler) // the connection is gone
		}
	})
	a, err := j.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"status 503, FDX code 500": 2, "status 429, FDX code 1207": 3, "status 502": 1, "no answer": 3}
	if a.Count != 20 || a.Partial != 2 || len(a.Faults) != len(want) {
		t.Errorf("%+v", a)
	}
	for what, n := range want {
		if a.Faults[what] != n {
			t.Errorf("%s: %d, want %d", what, a.Faults[what], n)
		}
	}
	var out strings.Builder
	if err := a.report(&out, "here", 12); err != ErrLoad || !strings.Contains(out.String(), "3 status 429, FDX code 1207") || !strings.Contains(out.String(), "11 with data, 2 of them in part") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestALoadThatCannotBeMadeIsNone(t *testing.T) {
	t.Parallel()
	j := rateOf(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	if _, err := j.run(t.Context()); err == nil || !strings.Contains(err.Error(), "GET /page: answered 401") {
		t.Errorf("a token that is none: %v", err)
	}
	j.Address = "127.0.0.1:1"
	if _, err := j.run(t.Context()); err == nil {
		t.Error("nobody is there")
	}
}

func TestReportFailsOnAnyFault(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer  rateAnswer
		records int
		want    error
	}{
		"all is well":                  {rateAnswer{Count: 5, Warm: 2}, 7, nil},
		"one read is refused":          {rateAnswer{Count: 5, Warm: 2, Faults: map[string]int{"no answer": 1}}, 6, ErrLoad},
		"one read left no record":      {rateAnswer{Count: 5, Warm: 2}, 6, ErrLoad},
		"a record of what nobody read": {rateAnswer{Count: 5, Warm: 2}, 8, ErrLoad},
	} {
		if err := tt.answer.report(new(strings.Builder), "", tt.records); err != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLoad makes a load for an instant. It looks at the form of what comes
// out, never at how fast anything was.
func TestLoad(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "home")
	var out strings.Builder
	if err := (LoadConfig{Home: home, Rate: 100, Callers: 4, Out: &out}).run(t.Context(), 200*time.Millisecond); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, form := range []string{
		`(?m)^load: 100 reads/s for 200ms, \d+ different reads under \d+ grants, 4 connections$`,
		`(?m)^  reads      20 in \d+\.\d\d s, \d+\.\d/s$`,
		`(?m)^  answered   20 with data, \d+ of them in part$`,
		`(?m)^  errors     0$`,
		`(?m)^  records    \d+ for \d+ answers, \d+ of them before the clock started$`,
		`(?m)^  latency    p50 \d+\.\d\d ms, p95 \d+\.\d\d ms, p99 \d+\.\d\d ms, longest \d+\.\d\d ms, from when each read was due$`,
		`(?m)^  late       \d+ had to wait for a connection$`,
	} {
		if !regexp.MustCompile(form).MatchString(out.String()) {
			t.Errorf("no %s in\n%s", form, out.String())
		}
	}
	if log, err := os.ReadFile(filepath.Join(home, "load-gatewayd.log")); err != nil || !strings.Contains(string(log), "/transactions") {
		t.Errorf("the gateway's log: %d bytes, %v", len(log), err)
	}
	if left, err := filepath.Glob(filepath.Join(home, "*")); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestLoadRefusesAConfigOutOfRange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]LoadConfig{
		"no home":               {},
		"no rate":               {Home: "x", Rate: -1},
		"too high a rate":       {Home: "x", Rate: 10_001},
		"no time":               {Home: "x", Seconds: -1},
		"too long":              {Home: "x", Seconds: 3601},
		"no caller":             {Home: "x", Callers: -1},
		"many callers":          {Home: "x", Callers: 1001},
		"two banks":             {Home: "x", Bank: "b", Consumers: []string{"c"}, PKDD99: "p"},
		"a bank without people": {Home: "x", Bank: "b"},
		"people without a bank": {Home: "x", Consumers: []string{"c"}},
	} {
		if err := Load(t.Context(), c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// A gateway that cannot start is not waited for.
func TestAGatewayThatCannotStart(t *testing.T) {
	t.Parallel()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	g, err := startGateway(t.Context(), gatewayd.Config{}, log)
	if err != nil {
		t.Fatal(err)
	}
	j := rateOf(t, func(http.ResponseWriter, *http.Request) {})
	j.Address = g.address
	if _, err := j.run(t.Context()); err == nil {
		t.Error("it was read from")
	}
	if err := g.close(); err == nil {
		t.Error("it has ended well")
	}
}
