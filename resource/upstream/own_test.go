package upstream_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/mapping"
	"github.com/headgate/headgate/resource/upstream"
)

// ownRules describe the simulator's own form.
const ownRules = `
tables:
  art: {"01": DEPOSIT_ACCOUNT, "07": LOC_ACCOUNT, "12": LOAN_ACCOUNT}
  stand: {A: OPEN, E: CLOSED, X: RESTRICTED}
  sh: {S: DEBIT, H: CREDIT}
  da: {"true": AVAILABLE, "false": PROCESSING}
  fest: {"0": PENDING, "1": POSTED}
  rolle: {INH: SOLE_OWNER, GEM1: PRIMARY_JOINT, GEM2: SECONDARY_JOINT, VOLL: AUTHORIZED_USER}
account:
  fields:
    accountId: ref
    accountCategory: {from: art.nr, table: art}
    productName: art.name
    status: {from: st, table: stand}
    currency.currencyCode: {from: whg, default: EUR}
  categories:
    DEPOSIT_ACCOUNT:
      accountType: {const: CHECKING}
      currentBalance: {from: saldo, minor: 2, optional: true}
    LOC_ACCOUNT:
      accountType: {const: CREDITCARD}
      currentBalance: {from: saldo, minor: 2, optional: true}
    LOAN_ACCOUNT:
      accountType: {const: PERSONALLOAN}
transaction:
  fields:
    transactionId: id
    transactionTimestamp: {from: zeit, format: DD.MM.YYYY hh:mm:ss}
    postedTimestamp: {from: valuta, format: DD.MM.YYYY hh:mm:ss, optional: true}
    description: text
    debitCreditMemo: {from: sh, table: sh}
    status: {from: fest, table: fest}
    amount: {from: betrag, decimal: ","}
statement:
  fields: {statementId: nr, statementDate: {from: bis, format: DD.MM.YYYY}, status: {from: da, table: da}}
customer:
  fields: {customerId: kd, "emails[0]": {from: mail, optional: true}}
holder:
  fields: {accountId: konto, relationship: {from: rolle, table: rolle}}
contact:
  fields:
    emails: {each: mails}
paymentNetwork:
  fields: {bankId: blz, identifier: tok, identifierType: {const: TOKENIZED_ACCOUNT_NUMBER}, type: {const: US_ACH}, transferIn: {const: true}, transferOut: {const: false}}
assetTransferNetwork:
  fields: {identifier: depot, institutionId: blz, type: {const: US_DTC}}
`

// ownConfig is what a provider of the bank in its own form needs.
func (s *simulator) ownConfig() (upstream.Config, error) {
	rules, err := mapping.Parse([]byte(ownRules))
	if err != nil {
		return upstream.Config{}, err
	}
	const who = "?kunde={consumerId}"
	return upstream.Config{
		Base: s.URL + "/kern", CAFile: s.ca.File(), Timeout: 30 * time.Second,
		Operations: map[fdx.OperationID]string{
			fdx.SearchForAccounts:               "/kunden/{consumerId}/konten",
			fdx.GetAccount:                      "/konten/{accountId}" + who,
			fdx.SearchForAccountTransactions:    "/umsaetze" + who + "&konto={accountId}",
			fdx.SearchForAccountStatements:      "/auszuege/{accountId}" + who,
			fdx.GetAccountStatement:             "/auszuege/{accountId}/{statementId}" + who,
			fdx.GetAccountContact:               "/konten/{accountId}/kontakt" + who,
			fdx.GetAccountPaymentNetworks:       "/konten/{accountId}/wege" + who,
			fdx.GetAccountAssetTransferNetworks: "/konten/{accountId}/depots" + who,
			fdx.GetCustomers:                    "/kunden/{consumerId}/mitinhaber",
			fdx.GetCustomer:                     "/kunden/{consumerId}/mitinhaber/{customerId}",
		},
		AccountIDs: upstream.None,
		Window:     upstream.Window{Start: "von", End: "bis", Layout: "02.01.2006"},
		Paging:     upstream.Paging{Style: upstream.PageOffsets, Position: "ab", Limit: "anzahl"},
		Codes:      map[string]string{"K-404": "701", "K-423": "706", "K-409": "705", "D-404": "1104", "D-202": "1300", "P-404": "601"},
		Mapped: &upstream.Mapped{
			Mapping: rules,
			Records: map[fdx.OperationID]string{
				fdx.SearchForAccounts: "daten.konten", fdx.GetAccount: "konto", fdx.SearchForAccountTransactions: "umsaetze",
				fdx.SearchForAccountStatements: "auszuege", fdx.GetCustomers: "personen", fdx.GetCustomer: "person",
				fdx.GetAccountPaymentNetworks: "wege",
				// Asset transfer networks and the contact are the whole body.
			},
			Owner: "kto", Parts: "rollen", Code: "fehler.nr",
		},
	}, nil
}

// serveOwn serves the bank in a form that nobody else has: German, amounts in
// cents or with commas, lists by offset.
func (s *simulator) serveOwn(mux *http.ServeMux) {
	type object = map[string]any
	handle := func(path string, missing string, f func(r *http.Request, who string) (any, error)) {
		mux.HandleFunc("GET /kern"+path, func(w http.ResponseWriter, r *http.Request) {
			who := r.PathValue("kunde")
			if who == "" {
				who = r.FormValue("kunde")
			}
			v, err := f(r, who)
			w.Header().Set("Content-Type", "application/json")
			if d, ok := v.(resource.Document); ok && err == nil {
				w.Header().Set("Content-Type", string(d.Type))
				_, _ = w.Write(d.Body)
				return
			}
			if err != nil {
				_, code := refused(err, missing)
				w.WriteHeader(http.StatusConflict)
				own := map[string]string{"701": "K-404", "706": "K-423", "705": "K-409", "1104": "D-404", "1300": "D-202", "601": "P-404"}[code]
				_ = json.NewEncoder(w).Encode(object{"fehler": object{"nr": own}})
				return
			}
			_ = json.NewEncoder(w).Encode(v)
		})
	}
	// cut reads a list by offset from one that is read whole.
	all := resource.PageRequest{Limit: 10_000}
	number := func(r *http.Request, name string) int { n, _ := strconv.Atoi(r.FormValue(name)); return n }
	cut := func(r *http.Request, list []object) []object {
		from := min(number(r, "ab"), len(list))
		return append([]object{}, list[from:min(from+number(r, "anzahl"), len(list))]...)
	}
	day := func(text string) fdx.Date {
		t, _ := time.Parse("02.01.2006", text)
		return fdx.DateOf(t)
	}
	window := func(r *http.Request) fdx.Window {
		if r.FormValue("von") == "" {
			return fdx.Window{Start: fdx.DateOf(s.now).AddDays(-10000), End: fdx.DateOf(s.now)}
		}
		return fdx.Window{Start: day(r.FormValue("von")), End: day(r.FormValue("bis"))}
	}
	one := func(r *http.Request, who string) resource.Access {
		id := r.PathValue("konto")
		if id == "" {
			id = r.FormValue("konto")
		}
		return s.access(who, fdx.AccountID(id), nil, window(r))
	}
	cents := func(d fdx.Decimal) any {
		if !d.Present() {
			return nil
		}
		n, _ := strconv.ParseFloat(d.String(), 64)
		return int(n*100 + 0.5)
	}
	konto := func(a fdx.Account) object {
		d := a.Descriptor()
		o := object{
			"ref": d.AccountID, "whg": "", "st": map[fdx.AccountStatus]string{fdx.StatusOpen: "A", fdx.StatusClosed: "E", fdx.StatusRestricted: "X"}[d.Status],
			"art": object{"name": d.ProductName, "nr": map[fdx.AccountCategory]string{fdx.DepositCategory: "01", fdx.LineOfCreditCategory: "07", fdx.LoanCategory: "12"}[a.Category()]},
		}
		switch {
		case a.Deposit != nil:
			o["saldo"] = cents(a.Deposit.CurrentBalance)
		case a.LineOfCredit != nil:
			o["saldo"] = cents(a.LineOfCredit.CurrentBalance)
		}
		return o
	}
	person := func(c fdx.Customer) object {
		roles := []object{}
		for _, part := range c.Accounts {
			roles = append(roles, object{"konto": part.AccountID, "rolle": map[fdx.AccountHolderRelationship]string{
				fdx.SoleOwner: "INH", fdx.PrimaryJoint: "GEM1", fdx.SecondaryJoint: "GEM2", fdx.AuthorizedUser: "VOLL"}[part.Relationship]})
		}
		o := object{"kd": c.CustomerID, "rollen": roles}
		if len(c.Emails) > 0 {
			o["mail"] = c.Emails[0]
		}
		return o
	}
	stamp := func(t fdx.Timestamp) any {
		if t.IsZero() {
			return nil
		}
		return t.Time().Format("02.01.2006 15:04:05")
	}
	held := func(who string) resource.Access { return s.access(who, "", s.held[who], fdx.Window{}) }

	handle("/kunden/{kunde}/konten", "", func(r *http.Request, who string) (any, error) {
		page, err := s.bank.Accounts(r.Context(), held(who), all)
		var list []object
		for _, a := range page.Items {
			list = append(list, konto(a))
		}
		return object{"daten": object{"konten": cut(r, list)}}, err
	})
	handle("/konten/{konto}", "", func(r *http.Request, who string) (any, error) {
		a, err := s.bank.Account(r.Context(), one(r, who))
		if err != nil {
			return nil, err
		}
		return object{"konto": konto(a)}, nil
	})
	handle("/umsaetze", "", func(r *http.Request, who string) (any, error) {
		page, err := s.bank.Transactions(r.Context(), one(r, who), all)
		var list []object
		for _, t := range page.Items {
			b := t.Base()
			fest := "1"
			if b.PostedTimestamp.IsZero() {
				fest = "0"
			}
			amount := b.Amount.String()
			list = append(list, object{
				"kto": r.FormValue("konto"), "id": b.TransactionID, "zeit": stamp(b.TransactionTimestamp), "valuta": stamp(b.PostedTimestamp),
				"text": b.Description, "sh": "S", "fest": fest, "betrag": amount[:len(amount)-3] + "," + amount[len(amount)-2:],
			})
		}
		return object{"umsaetze": cut(r, list)}, err
	})
	handle("/auszuege/{konto}", "", func(r *http.Request, who string) (any, error) {
		page, err := s.bank.Statements(r.Context(), one(r, who), all)
		var list []object
		for _, v := range page.Items {
			list = append(list, object{"kto": v.AccountID, "nr": v.StatementID, "da": v.Status == fdx.DocumentAvailable, "bis": v.StatementDate.Time().Format("02.01.2006")})
		}
		return object{"auszuege": cut(r, list)}, err
	})
	handle("/auszuege/{konto}/{nr}", "1104", func(r *http.Request, who string) (any, error) {
		return s.bank.Statement(r.Context(), one(r, who), fdx.StatementID(r.PathValue("nr")), []fdx.ContentType{fdx.PDF})
	})
	handle("/konten/{konto}/kontakt", "", func(r *http.Request, who string) (any, error) {
		c, err := s.bank.Contact(r.Context(), one(r, who))
		return object{"mails": append([]string{}, c.Emails...)}, err
	})
	handle("/konten/{konto}/wege", "", func(r *http.Request, who string) (any, error) {
		page, err := s.bank.PaymentNetworks(r.Context(), one(r, who), all)
		var list []object
		for _, n := range page.Items {
			list = append(list, object{"kto": r.PathValue("konto"), "blz": n.BankID, "tok": n.Identifier})
		}
		return object{"wege": cut(r, list)}, err
	})
	handle("/konten/{konto}/depots", "", func(r *http.Request, who string) (any, error) {
		page, err := s.bank.AssetTransferNetworks(r.Context(), one(r, who), all)
		var list []object
		for _, n := range page.Items {
			list = append(list, object{"kto": r.PathValue("konto"), "blz": n.InstitutionID, "depot": n.Identifier})
		}
		return cut(r, list), err
	})
	handle("/kunden/{kunde}/mitinhaber", "", func(r *http.Request, who string) (any, error) {
		page, err := s.bank.Holders(r.Context(), held(who), all)
		var list []object
		for _, c := range page.Items {
			list = append(list, person(c))
		}
		return object{"personen": cut(r, list)}, err
	})
	handle("/kunden/{kunde}/mitinhaber/{person}", "601", func(r *http.Request, who string) (any, error) {
		c, err := s.bank.Holder(r.Context(), held(who), fdx.CustomerID(r.PathValue("person")))
		return object{"person": person(c)}, err
	})
}
