package main

import (
	"bufio"
	"encoding/json"
	"os"
	"sync"
	"time"
)

// The kinds of operations.
const (
	opRead       = "read"       // of data, by a recipient
	opIntrospect = "introspect" // by the bank's own server
	opRefresh    = "refresh"
	opRevoke     = "revoke"
	opGrant      = "grant" // the whole journey to a new consent
	opPublic     = "public"
	opHealth     = "health"
	opOnce       = "once" // one of several uses of what may be used once
)

// usedAgain is the How of reads with a proof that is used several times: Redis
// may know that when PostgreSQL cannot be asked.
const usedAgain = "proof used again"

// narrow is the How of reads under consents that open less than was asked for:
// what their records say of clusters and window is not what was asked.
const narrow = "narrow"

// op is one operation as the one who asked saw it. Times are of one monotonic
// clock, so that their order is real.
type op struct {
	Kind      string        `json:"kind"`
	Phase     string        `json:"phase"`
	Instance  string        `json:"instance"`
	Recipient string        `json:"recipient,omitempty"`
	Consent   string        `json:"consent,omitempty"`
	How       string        `json:"how,omitempty"` // which of several ways
	Start     time.Duration `json:"start"`
	End       time.Duration `json:"end"`
	// Status is 0 when no answer came: then it may have happened at any later
	// time.
	Status int    `json:"status"`
	Err    string `json:"err,omitempty"`
	// Yes: the answer grants something. A token, an active token, data.
	Yes         bool   `json:"yes,omitempty"`
	Retry       bool   `json:"retry,omitempty"` // Retry-After was there
	Shaped      bool   `json:"shaped,omitempty"`
	Told        bool   `json:"told,omitempty"` // RateLimit was there
	Why         string `json:"why,omitempty"`  // what a refusal by FDX says of its reason
	RequestID   string `json:"request_id,omitempty"`
	Interaction string `json:"interaction,omitempty"`

	// What a read asked for and was given.
	Operation string   `json:"operation,omitempty"`
	Token     string   `json:"token,omitempty"` // SHA-256 of the token, shortened
	Accounts  []string `json:"accounts,omitempty"`
	From      string   `json:"from,omitempty"` // the window, as YYYY-MM-DD
	To        string   `json:"to,omitempty"`
	Count     int      `json:"count,omitempty"`
	Bytes     int      `json:"bytes,omitempty"`
	BodyHash  string   `json:"body_hash,omitempty"`
}

func (o op) took() time.Duration { return o.End - o.Start }

// good: a 2xx.
func (o op) good() bool { return o.Status >= 200 && o.Status < 300 }

// putOff: an answer that a machine without time gives to anybody, or that did
// not come in a second.
func (o op) putOff() bool {
	return o.Status == 503 || o.Status == 504 || o.Status == 0 && o.took() >= time.Second
}

// mark is what the plan did, on the same clock.
type mark struct {
	At    time.Duration `json:"at"`
	Fault string        `json:"fault"`
	What  string        `json:"what"`
}

// The stages of a fault: about to begin, in effect, about to end, over.
const (
	starting = "starting"
	began    = "began"
	ending   = "ending"
	healed   = "healed"
)

// history is what happened. Safe for concurrent use.
type history struct {
	began time.Time

	mu    sync.Mutex
	phase string // guarded by mu, like what follows
	ops   []op
	marks []mark
	// stalls are times in which the machine itself stood still.
	stalls []span
	// watched is for how long somebody looked who uses the machine, and shared
	// in how much of that others took more than mostOthers of it.
	watched, shared time.Duration
}

func newHistory() *history { return &history{began: time.Now(), phase: "warm"} }

func (h *history) now() time.Duration { return time.Since(h.began) }

func (h *history) add(o op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if o.Phase == "" {
		o.Phase = h.phase
	}
	h.ops = append(h.ops, o)
}

func (h *history) mark(fault, what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.marks = append(h.marks, mark{h.now(), fault, what})
	switch what {
	case starting:
		h.phase = fault
	case healed:
		h.phase = "after " + fault
	}
}

// all returns what happened until now.
func (h *history) all() ([]op, []mark) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]op(nil), h.ops...), append([]mark(nil), h.marks...)
}

// write writes JSON lines: the marks and then the operations.
func (h *history) write(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	ops, marks := h.all()
	w := bufio.NewWriter(f)
	e := json.NewEncoder(w)
	for _, m := range marks {
		if err == nil {
			err = e.Encode(m)
		}
	}
	for i := range ops {
		if err == nil {
			err = e.Encode(&ops[i])
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// span is a time in which a fault was there.
type span struct {
	fault      string
	begin, end time.Duration
}

// forever is the end of what has not ended.
const forever = time.Duration(1<<63 - 1)

// spans pairs the marks of two stages, in the order of the first.
func spans(marks []mark, from, to string) []span {
	var list []span
	for _, m := range marks {
		switch m.What {
		case from:
			list = append(list, span{m.Fault, m.At, forever})
		case to:
			for i := range list {
				if list[i].fault == m.Fault && list[i].end == forever {
					list[i].end = m.At
				}
			}
		}
	}
	return list
}
