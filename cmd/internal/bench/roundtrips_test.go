package bench

import (
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

func TestTapCountsRoundTrips(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, c := range map[string]struct {
		network, at string
		address     func(net.Addr) string
	}{
		"over TCP": {"tcp", "127.0.0.1:0", func(a net.Addr) string { return "redis://:secret@" + a.String() + "/0" }},
		"over a socket": {"unix", filepath.Join(folder, ".s.PGSQL.5432"), func(net.Addr) string {
			return "postgres:///db?" + url.Values{"host": {folder}, "user": {"me"}}.Encode()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := net.Listen(c.network, c.at)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			arrived := make(chan struct{})
			go answerPairs(server, arrived)
			tap, through, err := tapInto(c.address(server.Addr()))
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(through)
			if err != nil {
				t.Fatal(err)
			}
			if want := "redis://:secret@" + u.Host + "/0"; c.network == "tcp" && through != want {
				t.Errorf("reached at %s, want %s", through, want)
			}
			if want := "postgres://" + u.Host + "/db?user=me"; c.network == "unix" && through != want {
				t.Errorf("reached at %s, want %s", through, want)
			}
			client, err := net.Dial("tcp", u.Host)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			for range 3 {
				for _, half := range []string{"a", "b"} { // without listening in between
					if _, err := io.WriteString(client, half); err != nil {
						t.Fatal(err)
					}
					<-arrived // or the tap may hear both at once
				}
				if _, err := io.ReadFull(client, make([]byte, 4)); err != nil {
					t.Fatal(err)
				}
			}
			if got := tap.trips.Load(); got != 3 {
				t.Errorf("%d round trips, want 3", got)
			}
			if err := tap.close(); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Read(make([]byte, 1)); err == nil {
				t.Error("a connection outlives the tap")
			}
		})
	}
}

// answerPairs reads two bytes, tells of each, and answers with four, again and
// again, over one connection.
func answerPairs(server net.Listener, arrived chan<- struct{}) {
	c, err := server.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	for {
		for range 2 {
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				return
			}
			arrived <- struct{}{}
		}
		if _, err := io.Copy(c, strings.NewReader("done")); err != nil {
			return
		}
	}
}

func TestTapOfAServerThatIsGoneHangsUp(t *testing.T) {
	t.Parallel()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	tap, through, err := tapInto("redis://" + gone.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", strings.TrimPrefix(through, "redis://"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("somebody answers")
	}
	if err := tap.close(); err != nil {
		t.Error(err)
	}
}
