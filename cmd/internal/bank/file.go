package bank

import (
	"cmp"
	"slices"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/mapping"
	"github.com/headgate/headgate/resource/upstream"
)

// Kind is how a bank's data is reached.
type Kind string

// The kinds.
const (
	// Sandbox is the built-in bank with personas and imported files.
	Sandbox Kind = "sandbox"
	// Upstream is a bank's own API over HTTPS.
	Upstream Kind = "upstream"
	// SQLViews is read-only views in a bank's own PostgreSQL.
	SQLViews Kind = "sqlviews"
)

// form is the bank file as it is written. Exactly the section of its kind is
// given.
type form struct {
	Line     int
	Kind     string        `yaml:"kind"`
	Sandbox  *sandboxForm  `yaml:"sandbox"`
	Upstream *upstreamForm `yaml:"upstream"`
	SQLViews *sqlviewsForm `yaml:"sqlviews"`
}

type sandboxForm struct {
	Line    int
	DSNFile string `yaml:"dsn_file"`
}

type sqlviewsForm struct {
	Line             int
	DSNFile          string `yaml:"dsn_file"`
	MappingFile      string `yaml:"mapping_file"`
	StatementTimeout string `yaml:"statement_timeout"`
	PoolSize         int    `yaml:"pool_size"`
}

// upstreamForm is upstream.Config in the words of the file.
type upstreamForm struct {
	Line       int
	Base       string            `yaml:"base"`
	Operations map[string]string `yaml:"operations"`
	Consumer   struct {
		Header string `yaml:"header"`
		Query  string `yaml:"query"`
	} `yaml:"consumer"`
	AccountIDs string `yaml:"account_ids"`
	Window     struct {
		Start  string `yaml:"start"`
		End    string `yaml:"end"`
		Layout string `yaml:"layout"`
	} `yaml:"window"`
	Paging struct {
		Style    string `yaml:"style"`
		Limit    string `yaml:"limit"`
		Position string `yaml:"position"`
	} `yaml:"paging"`
	Codes      map[string]string `yaml:"codes"`
	Mapped     *mappedForm       `yaml:"mapped"`
	CAFile     string            `yaml:"ca_file"`
	CertFile   string            `yaml:"cert_file"`
	KeyFile    string            `yaml:"key_file"`
	OAuth      *oauthForm        `yaml:"oauth"`
	Concurrent int               `yaml:"concurrent"`
	Timeout    string            `yaml:"timeout"`
}

type mappedForm struct {
	Line        int
	MappingFile string            `yaml:"mapping_file"`
	Records     map[string]string `yaml:"records"`
	Next        string            `yaml:"next"`
	Owner       string            `yaml:"owner"`
	Code        string            `yaml:"code"`
	Parts       string            `yaml:"parts"`
}

type oauthForm struct {
	TokenEndpoint string `yaml:"token_endpoint"`
	ClientID      string `yaml:"client_id"`
	SecretFile    string `yaml:"secret_file"`
	KeyFile       string `yaml:"key_file"`
	Audience      string `yaml:"audience"`
	Scope         string `yaml:"scope"`
}

// parse reads a bank file. An error is of type mapping.Faults and holds
// everything that is wrong.
func parse(file []byte) (form, error) {
	var f form
	var faults mapping.Faults
	if err := mapping.Decode(file, &f); err != nil {
		return form{}, err
	}
	fault := func(line int, where, text string) {
		faults = append(faults, mapping.Fault{Line: line, Where: where, Text: text})
	}
	required := func(line int, where, value string) {
		if value == "" {
			fault(line, where, "is required")
		}
	}
	duration := func(line int, where, value string) {
		if _, err := timeout(value); err != nil {
			fault(line, where, "has to be a duration such as 2s")
		}
	}
	given := map[Kind]bool{Sandbox: f.Sandbox != nil, Upstream: f.Upstream != nil, SQLViews: f.SQLViews != nil}
	if _, known := given[Kind(f.Kind)]; !known {
		fault(f.Line, "kind", "has to be sandbox, upstream or sqlviews")
	}
	for _, k := range []Kind{Sandbox, Upstream, SQLViews} {
		switch {
		case Kind(f.Kind) == k && !given[k]:
			fault(f.Line, string(k), "is required for this kind")
		case Kind(f.Kind) != k && given[k]:
			fault(f.Line, string(k), "is there, and the kind is another one: remove it")
		}
	}
	if s := f.Sandbox; s != nil {
		required(s.Line, "sandbox.dsn_file", s.DSNFile)
	}
	if s := f.SQLViews; s != nil {
		required(s.Line, "sqlviews.dsn_file", s.DSNFile)
		required(s.Line, "sqlviews.mapping_file", s.MappingFile)
		duration(s.Line, "sqlviews.statement_timeout", s.StatementTimeout)
	}
	if u := f.Upstream; u != nil {
		required(u.Line, "upstream.base", u.Base)
		duration(u.Line, "upstream.timeout", u.Timeout)
		if len(u.Operations) == 0 {
			fault(u.Line, "upstream.operations", "is required")
		}
		if u.Mapped != nil {
			required(u.Mapped.Line, "upstream.mapped.mapping_file", u.Mapped.MappingFile)
		}
	}
	if len(faults) == 0 {
		return f, nil
	}
	slices.SortStableFunc(faults, func(a, b mapping.Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Where, b.Where))
	})
	return form{}, faults
}

// timeout reads a duration; empty is 0, the default of what it is for.
func timeout(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return time.ParseDuration(text)
}

// config is the section as package upstream takes it, without the mapping.
func (u *upstreamForm) config() upstream.Config {
	c := upstream.Config{
		Base: u.Base, Operations: byOperation(u.Operations), AccountIDs: u.AccountIDs, Codes: u.Codes,
		Consumer: upstream.Consumer{Header: u.Consumer.Header, Query: u.Consumer.Query},
		Window:   upstream.Window{Start: u.Window.Start, End: u.Window.End, Layout: u.Window.Layout},
		Paging:   upstream.Paging{Style: upstream.PagingStyle(u.Paging.Style), Limit: u.Paging.Limit, Position: u.Paging.Position},
		CAFile:   u.CAFile, CertFile: u.CertFile, KeyFile: u.KeyFile, Concurrent: u.Concurrent,
	}
	c.Timeout, _ = timeout(u.Timeout) // parse checked it
	if o := u.OAuth; o != nil {
		c.OAuth = &upstream.ClientCredentials{
			TokenEndpoint: o.TokenEndpoint, ClientID: o.ClientID, SecretFile: o.SecretFile, KeyFile: o.KeyFile,
			Audience: o.Audience, Scope: o.Scope,
		}
	}
	if m := u.Mapped; m != nil {
		c.Mapped = &upstream.Mapped{
			Records: byOperation(m.Records), Next: m.Next, Owner: m.Owner, Code: m.Code, Parts: m.Parts,
		}
	}
	return c
}

func byOperation(texts map[string]string) map[fdx.OperationID]string {
	out := make(map[fdx.OperationID]string, len(texts))
	for id, text := range texts {
		out[fdx.OperationID(id)] = text
	}
	return out
}
