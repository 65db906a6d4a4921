package ledger

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/headgate/headgate/internal/outbound"
)

// Web is a place for checkpoints that is written by HTTPS: each is PUT below
// the address under its size, in 19 digits, and the newest once more under
// "newest", which is what Newest asks for. Such a store should keep what it
// has: the PUT of a size says If-None-Match: *.
type Web struct {
	client *outbound.Client
	base   string
}

// NewWeb returns the place with that address.
func NewWeb(client *outbound.Client, address string) Web {
	return Web{client, strings.TrimSuffix(address, "/") + "/"}
}

// String is the address.
func (w Web) String() string { return w.base }

const noteType = "text/plain; charset=utf-8"

// Put implements Outside.
func (w Web) Put(ctx context.Context, size int64, note []byte) error {
	// 412: somebody has put it before (RFC 9110 section 13.1.2).
	err := w.put(ctx, fmt.Sprintf("%019d", size), note, http.Header{"If-None-Match": {"*"}}, http.StatusPreconditionFailed)
	if err != nil {
		return err
	}
	return w.put(ctx, "newest", note, nil, 0)
}

func (w Web) put(ctx context.Context, name string, note []byte, header http.Header, also int) error {
	r, err := w.client.Put(ctx, w.base+name, noteType, note, header)
	if err == nil && r.Status/100 != 2 && r.Status != also {
		err = fmt.Errorf("%w: %d", outbound.ErrStatus, r.Status)
	}
	return err
}

// Newest implements Outside.
func (w Web) Newest(ctx context.Context) ([]byte, error) {
	a, err := w.client.Get(ctx, w.base+"newest", "")
	if errors.Is(err, outbound.ErrMissing) {
		return nil, nil
	}
	return a.Body, err
}
