package upstream_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/devca"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/resourcetest"
	"github.com/headgate/headgate/resource/upstream"
)

// simulator is a bank behind an API of its own: the memory bank of
// resourcetest over HTTPS, in the form of FDX or in one that nobody else has.
type simulator struct {
	*httptest.Server
	ca   *devca.CA
	bank resourcetest.Bank
	now  time.Time
	// held are the accounts of each customer.
	held map[string][]fdx.AccountID

	// instead, when set, answers data requests; it reports whether it did.
	instead atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]

	mu       sync.Mutex
	tokens   map[string]bool // that are taken; nil without OAuth
	issued   int
	token    func(w http.ResponseWriter, r *http.Request) bool // instead of the endpoint
	requests []*http.Request
}

// newSimulator starts a bank. With oauth it wants access tokens, otherwise a
// certificate of its own authority.
func newSimulator(t testing.TB, oauth, mapped bool) *simulator {
	t.Helper()
	ca, err := devca.Open(devca.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s := &simulator{ca: ca, now: time.Now(), held: map[string][]fdx.AccountID{}}
	s.furnish()
	mux := http.NewServeMux()
	if mapped {
		s.serveOwn(mux)
	} else {
		s.serveFDX(mux)
	}
	s.Server = s.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			s.serveToken(w, r)
			return
		}
		s.mu.Lock()
		s.requests = append(s.requests, r.Clone(r.Context()))
		known := s.tokens == nil || s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		s.mu.Unlock()
		if !known {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if f := s.instead.Load(); f != nil && (*f)(w, r) {
			return
		}
		mux.ServeHTTP(w, r)
	}), !oauth)
	if oauth {
		s.tokens = map[string]bool{}
	}
	return s
}

// serve starts a TLS server with a certificate of the bank's authority.
func (s *simulator) serve(t testing.TB, h http.Handler, mutual bool) *httptest.Server {
	t.Helper()
	pair, err := s.ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	c := certs.Config{CertFile: pair.CertFile, KeyFile: pair.KeyFile}
	if mutual {
		c.ClientAuth, c.ClientCAFile = certs.RequiredClientCert, s.ca.File()
	}
	conf, err := certs.ServerTLS(c)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := conf.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	conf.GetCertificate, conf.Certificates = nil, []tls.Certificate{*cert}
	server := httptest.NewUnstartedServer(h)
	server.TLS = conf
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are the point
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// config is what a provider of the bank needs, besides how it authenticates.
func (s *simulator) config() upstream.Config {
	c := upstream.Config{
		Base: s.URL + "/fdx/v6", CAFile: s.ca.File(),
		Consumer:   upstream.Consumer{Header: "X-Consumer-Id"},
		Operations: map[fdx.OperationID]string{},
		Timeout:    30 * time.Second, // a busy machine is no fault
	}
	for _, id := range []fdx.OperationID{
		fdx.SearchForAccounts, fdx.GetAccount, fdx.SearchForAccountTransactions, fdx.GetAccountContact, fdx.GetAccountPaymentNetworks,
		fdx.GetAccountAssetTransferNetworks, fdx.SearchForAccountStatements, fdx.GetAccountStatement, fdx.GetAccountTransactionImages,
		fdx.GetTermsAndConditions, fdx.SearchRewardPrograms, fdx.GetRewardProgram, fdx.GetRewardProgramCategories, fdx.GetCustomers,
		fdx.GetCustomer, fdx.GetAvailability,
	} {
		c.Operations[id] = ""
	}
	return c
}

// mutual adds a certificate of the bank's authority.
func (s *simulator) mutual(t testing.TB, c upstream.Config) upstream.Config {
	t.Helper()
	pair, err := s.ca.Client("gateway")
	if err != nil {
		t.Fatal(err)
	}
	c.CertFile, c.KeyFile = pair.CertFile, pair.KeyFile
	return c
}

const secret = "a secret: with signs&"

// oauth adds client credentials.
func (s *simulator) oauth(t testing.TB, c upstream.Config) upstream.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.OAuth = &upstream.ClientCredentials{TokenEndpoint: s.URL + "/token", ClientID: "headgate:1", SecretFile: file, Scope: "data"}
	return c
}

func provider(t testing.TB, c upstream.Config) *upstream.Provider {
	t.Helper()
	p, err := upstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answers makes the bank answer data requests otherwise.
func (s *simulator) answers(f http.HandlerFunc) {
	g := func(w http.ResponseWriter, r *http.Request) bool { f(w, r); return true }
	s.instead.Store(&g)
}

func (s *simulator) serveToken(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != nil && s.token(w, r) {
		return
	}
	id, pass, _ := r.BasicAuth()
	id, _ = url.QueryUnescape(id)
	pass, _ = url.QueryUnescape(pass)
	if r.Method != http.MethodPost || id != "headgate:1" || pass != secret || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "data" {
		http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
		return
	}
	s.issue(w, 300)
}

// issue answers with a new token. It is called with the lock held.
func (s *simulator) issue(w http.ResponseWriter, life int) {
	s.issued++
	token := "token-" + strconv.Itoa(s.issued)
	s.tokens[token] = true
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "bearer", "expires_in": life})
}

// open opens an account for a customer.
func (s *simulator) open(who string, a fdx.Account, transactions ...fdx.Transaction) {
	s.bank.Open(consent.ConsumerID(who), a, transactions...)
	s.held[who] = append(s.held[who], a.ID())
}

func deposit(id string) fdx.Account {
	return fdx.Account{Deposit: &fdx.DepositAccount{
		AccountDescriptor: fdx.AccountDescriptor{
			AccountID: fdx.AccountID(id), ProductName: "Current account", Status: fdx.StatusOpen,
			Currency: fdx.Currency{CurrencyCode: "EUR"},
		},
		AccountType: fdx.Checking, CurrentBalance: fdx.NewDecimal(1250, 2),
	}}
}

func (s *simulator) furnish() {
	day := func(n int) fdx.Timestamp { return fdx.TimestampOf(s.now.AddDate(0, 0, -n)) }
	var transactions []fdx.Transaction
	for i := range 20 {
		x := fdx.TransactionBase{
			TransactionID: fdx.TransactionID("t" + strconv.Itoa(i)), TransactionTimestamp: day(i / 3),
			Description: "Groceries", DebitCreditMemo: fdx.Debit, Status: fdx.Pending, Amount: fdx.NewDecimal(int64(100+i), 2),
		}
		if i > 2 {
			x.PostedTimestamp, x.Status = x.TransactionTimestamp, fdx.Posted
		}
		if i == 5 {
			x.ImageIDs = []fdx.ImageID{"i"}
		}
		transactions = append(transactions, fdx.Transaction{Deposit: &fdx.DepositTransaction{TransactionBase: x}})
	}
	s.open("me", deposit("busy"), transactions...)
	s.open("you", deposit("foreign"))
	s.open("me", fdx.Account{LineOfCredit: &fdx.LineOfCreditAccount{
		AccountDescriptor: fdx.AccountDescriptor{AccountID: "card", ProductName: "Card", Status: fdx.StatusOpen, Currency: fdx.Currency{CurrencyCode: "EUR"}},
		AccountType:       fdx.CreditCard, CurrentBalance: fdx.NewDecimal(4200, 2),
	}})
	s.open("me", fdx.Account{Loan: &fdx.LoanAccount{
		AccountDescriptor: fdx.AccountDescriptor{AccountID: "loan/1?#%2f", ProductName: "Loan", Status: fdx.StatusClosed, Currency: fdx.Currency{CurrencyCode: "EUR"}},
		AccountType:       fdx.PersonalLoan,
	}})
	locked := deposit("locked")
	locked.Deposit.Status = fdx.StatusRestricted
	s.open("me", locked)
	s.bank.Lock("locked")
	s.bank.Join("busy", "you")
	s.held["you"] = append(s.held["you"], "busy")

	yes, no := true, false
	network := func(id string) fdx.PaymentNetwork {
		return fdx.PaymentNetwork{BankID: "1", Identifier: id, IdentifierType: fdx.TokenizedAccountNumber, Type: fdx.ACH, TransferIn: &yes, TransferOut: &no}
	}
	transfer := func(id string) fdx.AssetTransferNetwork {
		return fdx.AssetTransferNetwork{Identifier: id, InstitutionID: "1", Type: fdx.DTC}
	}
	today := fdx.DateOf(s.now)
	e := resourcetest.Extras{
		Contact:               fdx.AccountContact{Emails: []string{"a@example.com", "b@example.com"}},
		PaymentNetworks:       []fdx.PaymentNetwork{network("1"), network("2")},
		AssetTransferNetworks: []fdx.AssetTransferNetwork{transfer("1"), transfer("2"), transfer("3")},
		Documents:             map[fdx.StatementID]resource.Document{},
		Images:                map[fdx.ImageID]resource.Document{"i": {Type: fdx.PNG, Date: today.AddDays(-1), Body: []byte("image")}},
		Terms:                 resource.Document{Type: fdx.PDF, Body: []byte("terms")},
	}
	for i := range 4 {
		v := fdx.Statement{AccountID: "busy", StatementID: fdx.StatementID("s" + strconv.Itoa(i)), StatementDate: today.AddDays(-30 * i), Status: fdx.DocumentProcessing}
		if i > 0 {
			v.Status = fdx.DocumentAvailable
			e.Documents[v.StatementID] = resource.Document{Type: fdx.PDF, Body: []byte("statement")}
		}
		e.Statements = append(e.Statements, v)
	}
	s.bank.Extend("busy", e)
	part := func(r fdx.AccountHolderRelationship, ids ...fdx.AccountID) (parts []fdx.CustomerAccount) {
		for _, id := range ids {
			parts = append(parts, fdx.CustomerAccount{AccountID: id, Relationship: r})
		}
		return parts
	}
	s.bank.Register(fdx.Customer{
		CustomerID: "me", Emails: []string{"a@example.com"},
		Accounts: append(part(fdx.PrimaryJoint, "busy"), part(fdx.SoleOwner, "card", "loan/1?#%2f", "locked")...),
	})
	s.bank.Register(fdx.Customer{CustomerID: "you", Accounts: append(part(fdx.SecondaryJoint, "busy"), part(fdx.SoleOwner, "foreign")...)})
	s.bank.Register(fdx.Customer{CustomerID: "user", Accounts: part(fdx.AuthorizedUser, "card")})
	member := func(ids ...fdx.AccountID) []fdx.RewardMembership { return []fdx.RewardMembership{{AccountIDs: ids}} }
	s.bank.Reward(fdx.RewardProgram{RewardProgramID: "both", Memberships: member("busy", "card")},
		fdx.RewardCategory{RewardProgramID: "both", CategoryID: "1"}, fdx.RewardCategory{RewardProgramID: "both", CategoryID: "2"})
	s.bank.Reward(fdx.RewardProgram{RewardProgramID: "one", Memberships: member("loan/1?#%2f")})
	s.bank.Reward(fdx.RewardProgram{RewardProgramID: "foreign", Memberships: member("foreign")})
}

// access makes an access for what the bank was asked.
func (s *simulator) access(who string, account fdx.AccountID, accounts []fdx.AccountID, w fdx.Window) resource.Access {
	every := fdx.NewClusters(fdx.AllClusters()...)
	share := resourcetest.Everything(consent.ConsumerID(who), s.now, append(accounts, account)...)
	a, denial := resource.Allow(share, fdx.ScopesOf(every), resource.Need{Account: account, Accounts: accounts, Any: every, Through: every, Window: w}, s.now)
	if denial != nil {
		return resource.Access{}
	}
	return a
}

// fixture is what the contract is checked on.
func (s *simulator) fixture(p resource.Provider) resourcetest.ProviderFixture {
	return resourcetest.ProviderFixture{
		Provider: p, Now: s.now, Consumer: "me",
		Accounts: []fdx.AccountID{"busy", "card", "loan/1?#%2f"}, Busy: "busy", Foreign: "foreign", Locked: "locked",
	}
}

// serveFDX serves the bank in the form of FDX.
func (s *simulator) serveFDX(mux *http.ServeMux) {
	handle := func(path string, missing string, f func(r *http.Request, who string, p resource.PageRequest) (any, error)) {
		mux.HandleFunc("GET /fdx/v6"+path, func(w http.ResponseWriter, r *http.Request) {
			who, _ := url.PathUnescape(r.Header.Get("X-Consumer-Id"))
			p := resource.PageRequest{After: r.FormValue("pageKey"), Limit: 100}
			if v := r.FormValue("limit"); v != "" {
				p.Limit, _ = strconv.Atoi(v)
			}
			if len(r.Header.Get("X-Fapi-Interaction-Id")) != 36 {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			v, err := f(r, who, p)
			status, code := refused(err, missing)
			switch d, isDocument := v.(resource.Document); {
			case err != nil:
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_ = json.NewEncoder(w).Encode(map[string]string{"code": code, "message": "x"})
			case isDocument:
				w.Header().Set("Content-Type", string(d.Type))
				_, _ = w.Write(d.Body)
			default:
				w.Header().Set("Content-Type", "application/json; charset=utf-8")
				_ = json.NewEncoder(w).Encode(v)
			}
		})
	}
	one := func(r *http.Request, who string) resource.Access {
		start, _ := fdx.ParseDate(r.FormValue("startDate"))
		end, _ := fdx.ParseDate(r.FormValue("endDate"))
		return s.access(who, fdx.AccountID(r.PathValue("accountId")), nil, fdx.Window{Start: start, End: end})
	}
	dated := func(r *http.Request, who string) resource.Access {
		return s.access(who, fdx.AccountID(r.PathValue("accountId")), nil, fdx.Window{Start: fdx.DateOf(s.now).AddDays(-10000), End: fdx.DateOf(s.now)})
	}
	all := func(who string) resource.Access { return s.access(who, "", s.held[who], fdx.Window{}) }
	forms := func(r *http.Request) (out []fdx.ContentType) {
		for form := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
			form, _, _ = strings.Cut(strings.TrimSpace(form), ";")
			out = append(out, fdx.ContentType(form))
		}
		return out
	}
	next := func(next string) fdx.PageMetadata { return fdx.PageMetadata{NextPageKey: next} }

	handle("/accounts", "", func(r *http.Request, who string, p resource.PageRequest) (any, error) {
		a := all(who)
		if v := r.FormValue("accountIds"); v != "" {
			var ids []fdx.AccountID
			for id := range strings.SplitSeq(v, ",") {
				ids = append(ids, fdx.AccountID(id))
			}
			a = s.access(who, "", ids, fdx.Window{})
		}
		if r.FormValue("resultType") != "details" {
			return nil, errors.New("not what was expected")
		}
		page, err := s.bank.Accounts(r.Context(), a, p)
		if err == nil && len(page.Items) == 0 {
			return nil, errNone
		}
		return fdx.AccountsAnswer{Page: next(page.Next), Accounts: page.Items}, err
	})
	handle("/accounts/{accountId}", "", func(r *http.Request, who string, _ resource.PageRequest) (any, error) {
		return s.bank.Account(r.Context(), one(r, who))
	})
	handle("/accounts/{accountId}/contact", "", func(r *http.Request, who string, _ resource.PageRequest) (any, error) {
		return s.bank.Contact(r.Context(), one(r, who))
	})
	handle("/accounts/{accountId}/transactions", "", func(r *http.Request, who string, p resource.PageRequest) (any, error) {
		page, err := s.bank.Transactions(r.Context(), one(r, who), p)
		return fdx.TransactionsAnswer{Page: next(page.Next), Transactions: page.Items}, err
	})
	handle("/accounts/{accountId}/statements", "", func(r *http.Request, who string, p resource.PageRequest) (any, error) {
		page, err := s.bank.Statements(r.Context(), one(r, who), p)
		return fdx.StatementsAnswer{Page: next(page.Next), Statements: page.Items}, err
	})
	handle("/accounts/{accountId}/payment-networks", "", func(r *http.Request, who string, p resource.PageRequest) (any, error) {
		page, err := s.bank.PaymentNetworks(r.Context(), one(r, who), p)
		if err == nil && len(page.Items) == 0 {
			err = errNone
		}
		return fdx.PaymentNetworksAnswer{Page: next(page.Next), PaymentNetworks: page.Items}, err
	})
	handle("/accounts/{accountId}/asset-transfer-networks", "", func(r *http.Request, who string, p resource.PageRequest) (any, error) {
		page, err := s.bank.AssetTransferNetworks(r.Context(), one(r, who), p)
		return map[string]any{"page": next(page.Next), "assetTransferNetworks": append([]fdx.AssetTransferNetwork{}, page.Items...)}, err
	})
	handle("/accounts/{accountId}/statements/{statementId}", "1104", func(r *http.Request, who string, _ resource.PageRequest) (any, error) {
		return s.bank.Statement(r.Context(), dated(r, who), fdx.StatementID(r.PathValue("statementId")), forms(r))
	})
	handle("/accounts/{accountId}/transaction-images/{imageId}", "1103", func(r *http.Request, who string, _ resource.PageRequest) (any, error) {
		return s.bank.Image(r.Context(), dated(r, who), fdx.ImageID(r.PathValue("imageId")), forms(r))
	})
	handle("/accounts/{accountId}/terms-and-conditions", "1107", func(r *http.Request, who string, _ resource.PageRequest) (any, error) {
		return s.bank.Terms(r.Context(), one(r, who), forms(r))
	})
	handle("/customers", "", func(r *http.Request, who string, p resource.PageRequest) (any, error) {
		page, err := s.bank.Holders(r.Context(), all(who), p)
		return fdx.CustomersAnswer{Page: next(page.Next), Customers: page.Items}, err
	})
	handle("/customers/{customerId}", "601", func(r *http.Request, who string, _ resource.PageRequest) (any, error) {
		return s.bank.Holder(r.Context(), all(who), fdx.CustomerID(r.PathValue("customerId")))
	})
	handle("/reward-programs", "", func(r *http.Request, who string, p resource.PageRequest) (any, error) {
		page, err := s.bank.RewardPrograms(r.Context(), all(who), p)
		return fdx.RewardProgramsAnswer{Page: next(page.Next), RewardPrograms: page.Items}, err
	})
	handle("/reward-programs/{rewardProgramId}", "1101", func(r *http.Request, who string, _ resource.PageRequest) (any, error) {
		return s.bank.RewardProgram(r.Context(), all(who), fdx.RewardProgramID(r.PathValue("rewardProgramId")))
	})
	handle("/reward-programs/{rewardProgramId}/categories", "1101", func(r *http.Request, who string, p resource.PageRequest) (any, error) {
		page, err := s.bank.RewardCategories(r.Context(), all(who), fdx.RewardProgramID(r.PathValue("rewardProgramId")), p)
		return fdx.RewardCategoriesAnswer{Page: next(page.Next), RewardCategories: page.Items}, err
	})
	handle("/availability", "", func(*http.Request, string, resource.PageRequest) (any, error) {
		return fdx.AvailabilityAnswer{Availability: []fdx.Availability{{Status: fdx.Partial}, {Status: fdx.Alive, OperationID: fdx.GetAccount}}}, nil
	})
}

var errNone = errors.New("an empty list")

// refused returns status and FDX code of an error; missing is the code of
// what is not found.
func refused(err error, missing string) (int, string) {
	switch {
	case errors.Is(err, resource.ErrNoAccount):
		return 404, "701"
	case errors.Is(err, resource.ErrAccountLocked):
		return 403, "706"
	case errors.Is(err, resource.ErrAccountClosed):
		return 409, "705"
	case errors.Is(err, resource.ErrNotFound):
		return 404, missing
	case errors.Is(err, resource.ErrProcessing):
		return 400, "1300"
	case errors.Is(err, resource.ErrNotAcceptable):
		return 406, "1203"
	case errors.Is(err, errNone):
		return 404, "1107"
	}
	return 400, "401"
}
