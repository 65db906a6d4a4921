package bench

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMain(m *testing.M) {
	Child() // this test binary is also the load generator
	os.Exit(m.Run())
}

// TestRun runs the whole bench for an instant. It looks at the form of what
// comes out, never at how fast anything was.
func TestRun(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "home")
	var out strings.Builder
	c := Config{Home: home, Callers: 4, Out: &out, Profile: filepath.Join(home, "profiles"), Scale: 0.001}
	if err := run(t.Context(), c, 100*time.Millisecond, 1); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	data, err := os.ReadFile(filepath.Join(home, FileName))
	if err != nil {
		t.Fatal(err)
	}
	// As a stranger reads it: by the names in the file.
	var report struct {
		Machine map[string]any
		Lines   []map[string]any
	}
	if err := json.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	for _, fact := range []string{"started", "system", "cores", "go", "postgresql", "redis", "callers", "seconds", "rounds"} {
		if report.Machine[fact] == nil {
			t.Errorf("machine: no %s", fact)
		}
	}
	references := map[string]string{
		"sandbox-bare":                        "sandbox-bare",
		"sandbox-certificate-gate":            "sandbox-bare",
		"sandbox-dpop-gate":                   "sandbox-bare",
		"sandbox-certificate":                 "sandbox-bare",
		"sandbox-dpop":                        "sandbox-bare",
		"sandbox-certificate-gate-redis-down": "sandbox-certificate-gate",
		"plain-handler":                       "plain-handler",
		"introspection-certificate":           "plain-handler",
		"memory-bare":                         "memory-bare",
		"memory-certificate":                  "memory-bare",
		"memory-dpop":                         "memory-bare",
		"sandbox-page-1":                      "sandbox-page-1",
		"sandbox-page-600":                    "sandbox-page-1",
		"sandbox-page-of-500":                 "sandbox-page-1",
		"small-certificate-gate":              "small-certificate-gate",
		"small-certificate-gate-redis-down":   "small-certificate-gate-redis-down",
		"large-certificate-gate":              "small-certificate-gate",
		"large-certificate-gate-redis-down":   "small-certificate-gate-redis-down",
		"gate-single":                         "gate-single",
		"gate-batched":                        "gate-single",
		"gate-lanes-1":                        "gate-single",
		"gate-lanes-2":                        "gate-single",
		"gate-lanes-8":                        "gate-single",
		"as-par":                              "as-par",
		"as-code":                             "as-par",
		"as-refresh":                          "as-par",
		"as-revocation":                       "as-par",
		"as-introspection-redis":              "as-par",
		"as-introspection-certificate":        "as-par",
		"as-introspection-postgres":           "as-par",
	}
	// To PostgreSQL, the bank's one included, and to Redis. In a moment this
	// short something remembered may grow too old, which adds a fraction.
	roundTrips := map[string][2]float64{
		"sandbox-bare":                        {1, 0},
		"sandbox-certificate-gate":            {2, 1},
		"sandbox-dpop-gate":                   {2, 1},
		"sandbox-certificate":                 {1, 1},
		"sandbox-dpop":                        {1, 1},
		"sandbox-certificate-gate-redis-down": {3, 0},
		"plain-handler":                       {0, 0},
		"introspection-certificate":           {0, 1},
		"gate-single":                         {1, 0},
		"gate-batched":                        {1, 0},
		"gate-lanes-1":                        {1, 0},
		"gate-lanes-2":                        {1, 0},
		"gate-lanes-8":                        {1, 0},
		"memory-bare":                         {0, 0},
		"memory-certificate":                  {0, 1},
		"memory-dpop":                         {0, 1},
		"sandbox-page-1":                      {2, 1},
		"sandbox-page-600":                    {2, 1},
		"sandbox-page-of-500":                 {2, 1},
		"as-par":                              {2, 0},
		"as-code":                             {2, 0},
		"as-refresh":                          {2, 0},
		"as-revocation":                       {3, 1},
		"as-introspection-redis":              {1, 1},
		"as-introspection-certificate":        {0, 1},
		"as-introspection-postgres":           {1, 0},
	}
	if len(report.Lines) != len(references) {
		t.Errorf("%d lines, want %d", len(report.Lines), len(references))
	}
	for _, l := range report.Lines {
		name, _ := l["name"].(string)
		if want, known := references[name]; !known || l["reference"] != want {
			t.Errorf("line %s is a ratio of %v, want %s", name, l["reference"], want)
		}
		for _, figure := range []string{"requests_per_second", "p50_ms", "p99_ms", "bytes_per_op", "allocs_per_op", "ratio"} {
			if v, ok := l[figure].(float64); !ok || v <= 0 || math.IsInf(v, 0) {
				t.Errorf("%s: %s is %v", name, figure, l[figure])
			}
		}
		cpu, _ := l["cpu_us_per_op"].(map[string]any)
		if v, ok := cpu["gateway"].(float64); !ok || v <= 0 {
			t.Errorf("%s: gateway CPU is %v", name, cpu["gateway"])
		}
		for _, part := range []string{"postgres", "redis"} {
			v, given := cpu[part]
			if _, number := v.(float64); !given || v != nil && !number || v == nil && part == "postgres" && runtime.GOOS == "linux" {
				t.Errorf("%s: %s CPU is %v", name, part, v)
			}
		}
		trips, _ := l["round_trips_per_op"].(map[string]any)
		postgres, _ := trips["postgres"].(float64)
		redis, _ := trips["redis"].(float64)
		if got, want := [2]float64{math.Floor(postgres), math.Floor(redis)}, roundTrips[name]; got != want {
			t.Errorf("%s: %v and %v round trips to PostgreSQL and Redis, want %v", name, postgres, redis, want)
		}
		if !strings.Contains(out.String(), "| "+name+" ") {
			t.Errorf("the table lacks %s", name)
		}
		if info, err := os.Stat(filepath.Join(home, "profiles", name+".pprof")); err != nil || info.Size() == 0 {
			t.Errorf("%s: no profile: %v", name, err)
		}
	}
	// It need not be in the state folder: the progress line tells.
	cluster := regexp.MustCompile(`cluster in (\S+)`).FindStringSubmatch(out.String())
	if cluster == nil {
		t.Fatalf("where is the database?\n%s", out.String())
	}
	if _, err := os.Stat(cluster[1]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left behind: %v", cluster[1], err)
	}
}

func TestRunRefusesAConfigOutOfRange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"no home":      {},
		"no time":      {Home: "x", Seconds: -1},
		"old proofs":   {Home: "x", Seconds: 31},
		"no caller":    {Home: "x", Callers: -1},
		"many callers": {Home: "x", Callers: 1001},
		"too large":    {Home: "x", Scale: 1.1},
	} {
		if err := Run(context.Background(), c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestMedianRoundIsReported(t *testing.T) {
	t.Parallel()
	counts := []int{300, 100, 200}
	round := 0
	l := line{name: "a", reference: "a", measure: func(_ context.Context, d time.Duration, begin func() error) (answer, error) {
		round++
		return answer{Count: counts[round-1], Elapsed: time.Second}, begin()
	}}
	got, again, err := measure(t.Context(), Config{Out: new(strings.Builder)}, []line{l}, meter{postgres: os.Getpid()}, time.Second, 3)
	if err != nil || again != 0 {
		t.Fatal(again, err)
	}
	if got[0].RequestsPerSecond != 200 {
		t.Errorf("%v/s of 300, 100 and 200", got[0].RequestsPerSecond)
	}
}

// A round with a 503 is made again, but not for ever; one with anything else is
// the end.
func TestRoundsAreMadeAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failing int
		with    string
		again   int
	}{
		{0, "", 0}, {2, "answered 503 Service Unavailable: {}", 2}, {mostAgain, "/token answered 503: {}", mostAgain},
		{mostAgain + 1, "answered 503 Service Unavailable: {}", mostAgain}, {1, "answered 200 OK", 0}, {1, "a body of 503 bytes, not 14000", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			left := c.failing
			l := line{name: "a", reference: "a", measure: func(_ context.Context, d time.Duration, begin func() error) (answer, error) {
				if left--; left >= 0 {
					return answer{}, errors.Join(begin(), errors.New(c.with))
				}
				return answer{Count: 1, Elapsed: time.Second}, begin()
			}}
			got, again, err := measure(t.Context(), Config{Out: new(strings.Builder)}, []line{l}, meter{postgres: os.Getpid()}, time.Second, 2)
			if again != c.again || (err != nil) != (c.failing > c.again) || (len(got) == 1) != (err == nil) {
				t.Errorf("%d times %s: %d again, %d lines, %v", c.failing, c.with, again, len(got), err)
			}
		})
	}
}

func TestRatioIsOfTheReference(t *testing.T) {
	t.Parallel()
	rs := []Result{
		{Name: "bare", Reference: "bare", RequestsPerSecond: 1000},
		{Name: "guarded", Reference: "bare", RequestsPerSecond: 650},
		{Name: "down", Reference: "guarded", RequestsPerSecond: 325},
	}
	relate(rs, [][]Result{rs})
	for i, want := range []float64{1, 0.65, 0.5} {
		if rs[i].Ratio != want {
			t.Errorf("%s: ratio %v, want %v", rs[i].Name, rs[i].Ratio, want)
		}
	}
}

func TestLinesAreComparedWithinARound(t *testing.T) {
	t.Parallel()
	round := func(bare, guarded, bareCPU, guardedCPU float64) []Result {
		return []Result{
			{Name: "bare", Reference: "bare", RequestsPerSecond: bare, CPU: CPU{Gateway: bareCPU}},
			{Name: "guarded", Reference: "bare", RequestsPerSecond: guarded, CPU: CPU{Gateway: guardedCPU}},
		}
	}
	// The medians of the lines are those of the last round, whose ratio is 0.7.
	rounds := [][]Result{round(1000, 600, 10, 30), round(500, 325, 40, 70), round(800, 560, 20, 31)}
	results := round(800, 560, 20, 31)
	relate(results, rounds)
	bare, guarded := results[0], results[1]
	if bare.Ratio != 1 || bare.Added != 0 {
		t.Errorf("the reference: ratio %v, %v us added", bare.Ratio, bare.Added)
	}
	if guarded.Ratio != 0.65 || guarded.Least != 0.6 || guarded.Most != 0.7 || guarded.Added != 20 {
		t.Errorf("ratio %v of %v to %v, %v us added; want 0.65 of 0.6 to 0.7, 20 us", guarded.Ratio, guarded.Least, guarded.Most, guarded.Added)
	}
}

func TestARoundBeginsAtAReference(t *testing.T) {
	t.Parallel()
	var order strings.Builder
	name := func(name, reference string) line {
		return line{name: name, reference: reference, measure: func(_ context.Context, d time.Duration, begin func() error) (answer, error) {
			order.WriteString(name)
			return answer{Count: 1, Elapsed: d}, begin()
		}}
	}
	lines := []line{name("a", "a"), name("b", "a"), name("c", "b"), name("d", "d"), name("e", "d")}
	if _, _, err := measure(t.Context(), Config{Out: new(strings.Builder)}, lines, meter{postgres: os.Getpid()}, time.Second, 5); err != nil {
		t.Fatal(err)
	}
	if got, want := order.String(), "abcde"+"deabc"+"deabc"+"deabc"+"abcde"; got != want {
		t.Errorf("the lines were measured in the order %s, want %s", got, want)
	}
}
