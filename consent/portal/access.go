package portal

import (
	"slices"
	"strings"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/audit"
)

// accessPage is what access.html gets: one read in detail.
type accessPage struct {
	page
	historyRow
	Title, Exact, Asked   string
	Grant, Report         string // addresses; empty when the grant is not known
	Window, Size, Version string
	Request, Interaction  string
	AllAccounts           []string
	Fields                []fieldGroup
	Given, Document       bool
}

// fieldGroup is what a kind of data can hold, by the names that the app sees.
type fieldGroup struct {
	Label string
	Names []string
}

// families are the entities that an operation answers with. The first two
// are families with one member per category of accounts.
var families = map[fdx.OperationID]string{
	fdx.SearchForAccounts: "Account", fdx.GetAccount: "Account",
	fdx.SearchForAccountTransactions: "Transaction",
	fdx.GetAccountContact:            "AccountContact",
	fdx.GetCustomers:                 "Customer", fdx.GetCustomer: "Customer", fdx.GetCustomerInfo: "Customer",
	fdx.GetAccountPaymentNetworks:       "PaymentNetwork",
	fdx.GetAccountAssetTransferNetworks: "AssetTransferNetwork",
	fdx.SearchForAccountStatements:      "Statement",
	fdx.SearchRewardPrograms:            "RewardProgram", fdx.GetRewardProgram: "RewardProgram",
	fdx.GetRewardProgramCategories: "RewardCategory",
}

// documents are the operations that answer with a file.
var documents = map[fdx.OperationID]bool{
	fdx.GetAccountStatement: true, fdx.GetAccountTransactionImages: true, fdx.GetTermsAndConditions: true,
}

// members are the prefixes of the family members by account category.
var members = map[fdx.AccountCategory]string{
	fdx.DepositCategory: "Deposit", fdx.LineOfCreditCategory: "LineOfCredit", fdx.LoanCategory: "Loan",
	fdx.InvestmentCategory: "Investment", fdx.AnnuityCategory: "Annuity", fdx.InsuranceCategory: "Insurance",
	fdx.CommercialCategory: "Commercial", fdx.DigitalWalletCategory: "DigitalWallet", fdx.BuyNowPayLaterCategory: "BuyNowPayLater",
}

// fieldGroups lists the fields that the answer of a read could hold: those
// that the clusters of the record let through, under the name of the first
// cluster that does. Values are kept nowhere.
func fieldGroups(t *text, k known, r audit.Record) []fieldGroup {
	family := families[fdx.OperationID(r.Operation)]
	if family == "" || r.Outcome == audit.Refused {
		return nil
	}
	in := map[string]bool{family: true}
	if family == "Account" || family == "Transaction" {
		in = map[string]bool{}
		for _, id := range r.Accounts {
			if prefix, ok := members[fdx.AccountCategory(k.accounts[id].Category)]; ok {
				in[prefix+family] = true
			}
		}
		if len(in) == 0 { // of accounts that are gone: any
			for _, prefix := range members {
				in[prefix+family] = true
			}
		}
	}
	entities := slices.DeleteFunc(fdx.Entities(), func(e fdx.Entity) bool { return !in[e.Name] })
	seen := map[string]bool{}
	var groups []fieldGroup
	for _, c := range r.Clusters.List() {
		g := fieldGroup{Label: t.T("data." + c.String() + ".label")}
		for _, e := range entities {
			for _, f := range e.Fields {
				if strings.ContainsAny(f.Path, ".[") || seen[f.Path] || !f.Always && !f.Clusters.Has(c) {
					continue
				}
				seen[f.Path] = true
				g.Names = append(g.Names, f.Path)
			}
		}
		if slices.Sort(g.Names); len(g.Names) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// newAccessPage puts one read into words.
func (p *Portal) newAccessPage(t *text, k known, r audit.Record) accessPage {
	d := accessPage{page: page{text: t}, Exact: t.exact(r.At), Asked: operationWords(t, r.Operation)}
	readWords(t, k, r, &d.historyRow)
	d.Title = t.T("access.title", "App", d.App)
	d.Given = r.Outcome == audit.Given || r.Outcome == audit.Clipped
	d.Document = documents[fdx.OperationID(r.Operation)]
	d.Size = t.T("access.bytes", "Count", r.Bytes)
	if !r.Window.Start.IsZero() && !r.Window.End.IsZero() {
		d.Window = t.T("access.window", "From", t.Day(r.Window.Start), "To", t.Day(r.Window.End))
	}
	d.Version = t.T("access.version", "Number", t.Number(int(r.Epoch)))
	if g, ok := k.grants[r.Grant]; ok {
		d.Grant = grantPath(g.ID)
		if g.StatusAt(p.c.Now()) == consent.StatusActive {
			d.Report = d.Grant + "/hold"
		}
	}
	d.Request = strings.TrimPrefix(accessPath(r.RequestID), historyPath+"/")
	d.Interaction = plain(r.Interaction, maxName)
	for _, id := range r.Accounts {
		d.AllAccounts = append(d.AllAccounts, k.account(t, id))
	}
	d.Fields = fieldGroups(t, k, r)
	return d
}
