package bench

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
)

func TestRequestIsWhatAServerReads(t *testing.T) {
	t.Parallel()
	r := request{path: "/fdx/v6/accounts/1/transactions?limit=50", interaction: "id", scheme: "DPoP"}
	got, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(r.append(nil, "token", []byte("proof")))))
	if err != nil {
		t.Fatal(err)
	}
	if got.Method != "GET" || got.URL.String() != r.path || got.Host != "localhost" ||
		got.Header.Get("Authorization") != "DPoP token" || got.Header.Get("DPoP") != "proof" ||
		got.Header.Get("x-fapi-interaction-id") != "id" || got.Close {
		t.Errorf("read as %+v", got)
	}
	r.scheme = ""
	if got, err = http.ReadRequest(bufio.NewReader(bytes.NewReader(r.append(nil, "", nil)))); err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("Authorization") != "" || got.Header.Get("DPoP") != "" {
		t.Error("credentials from nowhere")
	}
}

func TestReadResponse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text, fault string
	}{
		"a good answer":            {"HTTP/1.1 200 OK\r\nX: 1\r\ncontent-length: 4\r\n\r\nbodyHTTP", ""},
		"a refusal":                {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nbody", "401"},
		"a redirect":               {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "302"},
		"another protocol":         {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.0"},
		"no length":                {"HTTP/1.1 200 OK\r\n\r\nbody", "Content-Length"},
		"chunks":                   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Content-Length"},
		"two lengths":              {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody", "Content-Length"},
		"a length that is none":    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length"},
		"a length beyond reason":   {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "Content-Length"},
		"a body that is cut off":   {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbody", "body"},
		"a header that is cut off": {"HTTP/1.1 200 OK\r\nContent-", "header"},
		"nothing":                  {"", "status"},
	} {
		r := bufio.NewReader(strings.NewReader(c.text))
		n, err := readResponse(r, nil)
		switch {
		case c.fault == "" && (err != nil || n != 4):
			t.Errorf("%s: %d, %v", name, n, err)
		case c.fault == "":
			if rest, _ := r.Peek(4); string(rest) != "HTTP" {
				t.Errorf("%s: the next answer begins with %s", name, rest)
			}
		case err == nil || !strings.Contains(err.Error(), c.fault):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"))
	f.Add([]byte("HTTP/1.1 503 No\r\nContent-Length: 1000000\r\n\r\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var body bytes.Buffer
		n, err := readResponse(bufio.NewReader(bytes.NewReader(text)), &body)
		if err == nil && (n != body.Len() || !bytes.Contains(text, body.Bytes())) {
			t.Errorf("%d bytes of %d", body.Len(), n)
		}
	})
}
