package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/mapping"
)

// None stands for a parameter that the bank does not have, where the empty
// text stands for the default.
const None = "-"

// Config is what New needs.
type Config struct {
	// Base is the https URL that paths are below, such as
	// https://api.bank.example/fdx/v6. It has no query.
	Base string

	// Operations are what the bank has, each with its path below Base; an
	// empty path is that of FDX. A path names what is asked for by
	// {consumerId}, {accountId}, {statementId}, {imageId}, {customerId} and
	// {rewardProgramId}, and may have a query. Accounts and transactions are
	// required. Without getAccount an account is looked up in the list.
	// Documents need the list they are dated by, and a reward program's
	// categories the program.
	Operations map[fdx.OperationID]string

	// Consumer says how the bank is told whose data is asked for.
	Consumer Consumer
	// AccountIDs is the query parameter that narrows the account list to
	// these ids, separated by commas; "" means accountIds. With None the bank
	// answers with all accounts of the consumer, and what was not asked for
	// is dropped instead of raising an alarm.
	AccountIDs string
	// Window says how the bank is asked for days.
	Window Window
	// Paging says how the bank is asked for pages.
	Paging Paging

	// Codes are codes and statuses with which the bank refuses, such as
	// ACC-17 or 423, and the FDX error code that each stands for, such as
	// 706. They come before what FDX has. A status of 500 and more always
	// means that the bank is out of order, except 501.
	Codes map[string]string
	// Mapped describes the answers of a bank that does not speak FDX; nil for
	// one that does.
	Mapped *Mapped

	// CAFile is a PEM file of the authorities that the bank's certificate may
	// come from; "" means the system's.
	CAFile string
	// CertFile and KeyFile are the PEM files of our certificate for mutual
	// TLS; both or neither. They are read again when they change.
	CertFile, KeyFile string
	// OnReload is told about each change of them, as certs.Config has it.
	OnReload func(error)
	// OAuth gets access tokens for the bank; nil means that the certificate
	// is all the authentication there is.
	OAuth *ClientCredentials

	// Concurrent is how many calls may be on their way to the bank at once,
	// those that wait for another try included; 0 means 32. One more is
	// resource.ErrUnavailable at once.
	Concurrent int
	// Timeout bounds one call with its retries; 0 means 2.5 seconds. The
	// deadline of the context counts as well.
	Timeout time.Duration

	// Alarm is told when an answer of the bank was refused because of what it
	// held. It must be quick and safe for concurrent use; nil means nobody.
	Alarm func(Alarm)
	// Now is the clock for the life of access tokens; nil means time.Now.
	Now func() time.Time
}

// Consumer says how the bank is told whose data is asked for: in a header, a
// query parameter, or with both empty by {consumerId} in every path. The id is
// percent-encoded in each.
type Consumer struct {
	Header, Query string
}

// Window says how the bank is asked for days, both ends included.
type Window struct {
	// Start and End are query parameters; "" means startDate and endDate.
	// With None for both the bank has no windows and answers with its whole
	// history, of which what lies outside is dropped.
	Start, End string
	// Layout is how a time is written, as package time has it, in UTC: of the
	// first second of the first day and the last second of the last. "" means
	// 2006-01-02.
	Layout string
}

// Paging says how the bank is asked for pages.
type Paging struct {
	Style PagingStyle
	// Limit is the query parameter for the page size, "" means limit.
	Limit string
	// Position is the query parameter for the place, "" means pageKey for
	// PageKeys and offset for PageOffsets.
	Position string
}

// PagingStyle is how places in a list are named.
type PagingStyle string

// The styles. The zero value means PageKeys.
const (
	// PageKeys: each answer holds the key of the next page, none on the last.
	PageKeys PagingStyle = "keys"
	// PageOffsets: a place is the number of records before it; a page that
	// is not full is the last.
	PageOffsets PagingStyle = "offsets"
	// Whole: the bank always answers with the whole list. Pages are cut here.
	Whole PagingStyle = "whole"
)

// defaults of Config.
const (
	defaultConcurrent = 32
	defaultTimeout    = 2500 * time.Millisecond
)

// paths returns where FDX has the operations, below its base path.
func paths() map[fdx.OperationID]string {
	return map[fdx.OperationID]string{
		fdx.SearchForAccounts:               "/accounts",
		fdx.GetAccount:                      "/accounts/{accountId}",
		fdx.GetAccountContact:               "/accounts/{accountId}/contact",
		fdx.GetAccountPaymentNetworks:       "/accounts/{accountId}/payment-networks",
		fdx.GetAccountAssetTransferNetworks: "/accounts/{accountId}/asset-transfer-networks",
		fdx.SearchForAccountTransactions:    "/accounts/{accountId}/transactions",
		fdx.GetAccountTransactionImages:     "/accounts/{accountId}/transaction-images/{imageId}",
		fdx.SearchForAccountStatements:      "/accounts/{accountId}/statements",
		fdx.GetAccountStatement:             "/accounts/{accountId}/statements/{statementId}",
		fdx.GetTermsAndConditions:           "/accounts/{accountId}/terms-and-conditions",
		fdx.SearchRewardPrograms:            "/reward-programs",
		fdx.GetRewardProgram:                "/reward-programs/{rewardProgramId}",
		fdx.GetRewardProgramCategories:      "/reward-programs/{rewardProgramId}/categories",
		fdx.GetCustomers:                    "/customers",
		fdx.GetCustomer:                     "/customers/{customerId}",
		fdx.GetAvailability:                 "/availability",
	}
}

// needs returns which operation cannot be had without which others.
func needs() map[fdx.OperationID][]fdx.OperationID {
	return map[fdx.OperationID][]fdx.OperationID{
		fdx.GetAccountStatement:        {fdx.SearchForAccountStatements},
		fdx.SearchRewardPrograms:       {fdx.GetRewardProgram},
		fdx.GetRewardProgram:           {fdx.SearchRewardPrograms},
		fdx.GetRewardProgramCategories: {fdx.GetRewardProgram},
		fdx.GetCustomers:               {fdx.GetCustomer},
		fdx.GetCustomer:                {fdx.GetCustomers},
	}
}

// New returns a provider. It reads the files that c names and calls nobody. It
// fails on a config that is not whole, all faults joined.
func New(c Config) (*Provider, error) {
	p := &Provider{
		consumer: c.Consumer, window: c.Window, paging: c.Paging,
		codes: c.Codes, mapped: c.Mapped, timeout: c.Timeout, alarm: c.Alarm, now: c.Now,
		routes: map[fdx.OperationID]route{},
	}
	if c.Concurrent == 0 {
		c.Concurrent = defaultConcurrent
	}
	if p.timeout == 0 {
		p.timeout = defaultTimeout
	}
	if p.alarm == nil {
		p.alarm = func(Alarm) {}
	}
	if p.now == nil {
		p.now = time.Now
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("upstream: "+format, args...)) }
	base, err := baseURL(c.Base)
	if err != nil {
		fault("Base %w", err)
	}
	if c.Concurrent < 0 || c.Timeout < 0 {
		fault("Concurrent and Timeout must not be negative")
	}
	p.route(base, c, fault)
	p.describe(c, fault)
	if err := p.names(c); err != nil {
		fault("%w", err)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	p.slots = make(chan struct{}, c.Concurrent)
	p.breaker = newBreaker()
	p.budget = newBudget()
	if err := p.connect(c); err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	return p, nil
}

// route reads the table of operations.
func (p *Provider) route(base *url.URL, c Config, fault func(string, ...any)) {
	standard := paths()
	for id, path := range c.Operations {
		if standard[id] == "" {
			fault("Operations: %s is none that a bank can have", id)
			continue
		}
		if path == "" {
			path = standard[id]
		}
		r, err := newRoute(base, path, last(names(standard[id])))
		if err != nil {
			fault("Operations: %s: %w", id, err)
			continue
		}
		if c.Consumer == (Consumer{}) && !r.names("consumerId") && id != fdx.GetAvailability {
			fault("Operations: %s: nothing names the consumer", id)
		}
		p.routes[id] = r
		for _, other := range needs()[id] {
			if _, ok := c.Operations[other]; !ok {
				fault("Operations: %s needs %s", id, other)
			}
		}
	}
	for _, id := range []fdx.OperationID{fdx.SearchForAccounts, fdx.SearchForAccountTransactions} {
		if _, ok := c.Operations[id]; !ok {
			fault("Operations: %s is required", id)
		}
	}
	for id := range p.routes {
		if id != fdx.GetAvailability {
			p.operations = append(p.operations, id)
		}
	}
	if _, ok := p.routes[fdx.GetAccount]; !ok {
		p.operations = append(p.operations, fdx.GetAccount)
	}
	if _, ok := p.routes[fdx.GetCustomer]; ok {
		p.operations = append(p.operations, fdx.GetCustomerInfo)
	}
	slices.Sort(p.operations)
}

// describe checks that there are rules for what the bank has.
func (p *Provider) describe(c Config, fault func(string, ...any)) {
	for own, code := range c.Codes {
		if meaning(code) == nil {
			fault("Codes: %s stands for a code that no refusal has", own)
		}
	}
	if c.Mapped == nil {
		return
	}
	if c.Mapped.Mapping == nil {
		fault("Mapped.Mapping is required")
		return
	}
	rules := map[fdx.OperationID][]mapping.Entity{
		fdx.GetAccountContact:               {mapping.Contact},
		fdx.GetAccountPaymentNetworks:       {mapping.PaymentNetwork},
		fdx.GetAccountAssetTransferNetworks: {mapping.AssetTransferNetwork},
		fdx.SearchForAccountStatements:      {mapping.Statement},
		fdx.GetCustomers:                    {mapping.Customer, mapping.Holder},
	}
	for id := range c.Operations {
		switch id {
		case fdx.SearchRewardPrograms, fdx.GetRewardProgram, fdx.GetRewardProgramCategories, fdx.GetAvailability:
			fault("Operations: %s cannot be mapped", id)
		case fdx.GetAccountTransactionImages:
			if c.Mapped.Mapping.Path(mapping.Transaction, "imageIds") == "" {
				fault("Operations: %s needs a rule for imageIds", id)
			}
		}
		for _, e := range rules[id] {
			if !c.Mapped.Mapping.Has(e) {
				fault("Operations: %s needs rules for %s", id, e)
			}
		}
	}
}

// names fills in the names of parameters and checks them.
func (p *Provider) names(c Config) error {
	set := func(to *string, value, standard string) {
		switch *to = value; value {
		case "":
			*to = standard
		case None:
			*to = ""
		}
	}
	set(&p.narrow, c.AccountIDs, "accountIds")
	set(&p.window.Start, c.Window.Start, "startDate")
	set(&p.window.End, c.Window.End, "endDate")
	set(&p.window.Layout, c.Window.Layout, time.DateOnly)
	switch c.Paging.Style {
	case "", PageKeys:
		p.paging.Style = PageKeys
		set(&p.paging.Position, c.Paging.Position, "pageKey")
	case PageOffsets:
		set(&p.paging.Position, c.Paging.Position, "offset")
	case Whole:
	default:
		return errors.New("Paging.Style is none of keys, offsets, whole")
	}
	set(&p.paging.Limit, c.Paging.Limit, "limit")
	switch {
	case (p.window.Start == "") != (p.window.End == ""):
		return errors.New("Window has one end only")
	case p.paging.Style != Whole && (p.paging.Position == "" || p.paging.Limit == ""):
		return errors.New("Paging lacks a parameter")
	case c.Consumer.Header != "" && !httpguts.ValidHeaderFieldName(c.Consumer.Header):
		return errors.New("Consumer.Header is no header")
	case reserved(c.Consumer.Header):
		return errors.New("Consumer.Header is used for something else")
	}
	return nil
}

// reserved reports whether a header is one that calls set themselves.
func reserved(header string) bool {
	return slices.ContainsFunc([]string{"Accept", "Authorization", "Host", "Content-Length", "Connection", "Transfer-Encoding", interactionHeader},
		func(h string) bool { return strings.EqualFold(h, header) })
}

var _ resource.Provider = (*Provider)(nil)
