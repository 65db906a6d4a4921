package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// slowBody has an end that takes its time, as everything does on a busy machine.
type slowBody struct{ once }

func (s slowBody) Read(p []byte) (int, error) {
	time.Sleep(300 * time.Millisecond) // longer than the transport waits for a first byte
	return s.once.Read(p)
}

func TestAnEmptyBodyIsNoBody(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r }))
	defer server.Close()
	for name, c := range map[string]struct {
		encoding []string
		chunked  bool
	}{"as the transport has it": {nil, true}, "as we have it": {emptyBody, false}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, slowBody{})
		if err != nil {
			t.Fatal(err)
		}
		req.TransferEncoding = c.encoding
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if r := <-got; (r.ContentLength != 0) != c.chunked {
			t.Errorf("%s: length %d, encoding %v", name, r.ContentLength, r.TransferEncoding)
		}
	}
}
