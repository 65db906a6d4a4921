package cases

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/conformance/suite"
)

// contract: every operation of FDX against its shape.
func contract() []suite.Case {
	return slices.Concat(contractShapes(), contractValues(), contractOwn(), contractDocuments(), contractErrors(), contractPages(), contractBinding())
}

// categories are the kinds of account, in the words of case ids.
var categories = map[string]string{
	"annuity": "ANNUITY_ACCOUNT", "bnpl": "BNPL_ACCOUNT", "commercial": "COMMERCIAL_ACCOUNT", "deposit": "DEPOSIT_ACCOUNT", "wallet": "DIGITAL_WALLET",
	"insurance": "INSURANCE_ACCOUNT", "investment": "INVESTMENT_ACCOUNT", "loan": "LOAN_ACCOUNT", "line-of-credit": "LOC_ACCOUNT",
}

func contractCase(id, title, spec, mend string, run func(t *suite.T)) suite.Case {
	return suite.Case{ID: "contract." + id, Title: title, Spec: spec, Needs: enforced, Mend: mend, Run: run}
}

// contractShapes: members, types, lists of values and what is required.
func contractShapes() []suite.Case {
	const mend = "Write the fields of FDX and no other, in their types; give what FDX requires wherever the grant lets it through; leave out what there is none of, and never write null."
	var cases []suite.Case
	for _, o := range operations {
		if o.media != nil {
			continue
		}
		cases = append(cases, contractCase("shape."+o.slug(), o.id+" answers in the form of FDX: no field more, none less that is required, each in its type", "FDX API 6.4, "+o.id, mend, func(t *suite.T) {
			app, held := reaches(t, o.opens[0])
			for _, persona := range []string{o.persona, "variety"} {
				at := o
				if at.persona = persona; o.onAccount() && persona != o.persona || persona == "variety" && strings.Contains(o.path, "{program}") {
					continue // each kind of account has a case of its own
				}
				g := t.Shared(app, suite.Ask{Clusters: held, Lookback: 730, Persona: persona})
				resp := t.Send(o.ask(t, g, at.place(t)))
				t.Expect(resp, suite.OK)
				t.Check(len(o.items(resp)) > 0, "there is nothing in the answer: nothing is known about its form")
				o.fits(t, resp, held...).report(t)
			}
		}))
	}
	for slug, category := range categories {
		for _, name := range []string{"getAccount", "searchForAccountTransactions"} {
			o := op(name)
			what := map[string]string{"getAccount": "account", "searchForAccountTransactions": "transactions"}[name]
			cases = append(cases, contractCase(what+"."+slug, name+" of an account of the kind "+category+" answers in the form of FDX", "FDX API 6.4, "+name+", "+byCategory[category], mend, func(t *suite.T) {
				found := false
				for _, persona := range []string{"variety", "borrower", "investor", "saver"} {
					g := full(t, persona)
					for _, a := range read(t, g, "/accounts").List("accounts") {
						if suite.Dig(a, "accountCategory") != category {
							continue
						}
						id, _ := suite.Dig(a, "accountId").(string)
						path := strings.ReplaceAll(o.path, "{account}", id)
						if name != "getAccount" {
							path += "?limit=200&" + window(-365, 0)
						}
						resp := t.Send(t.Read(g, path))
						t.Expect(resp, suite.OK)
						for _, item := range o.items(resp) {
							found = true
							t.Check(suite.Dig(item, "accountCategory") == category, "accountCategory is %v", suite.Dig(item, "accountCategory"))
						}
						o.fits(t, resp, everything...).report(t)
					}
				}
				if !found && name == "getAccount" {
					t.Cannot("find an account", fmt.Errorf("nobody has one of this kind"))
				}
			}))
		}
	}
	for _, d := range []struct{ id, path, member, entity string }{
		{"get-availability", "/availability", "availability", "Availability"},
		{"get-capability", "/capability?resultType=details", "", "Capability"},
		{"get-certification-metrics", "/certification-metrics", "metrics", "CertificationMetric"},
	} {
		cases = append(cases, contractCase("shape."+d.id, "what the API says about itself is in the form of FDX, for whoever holds a living token", "FDX API 6.4, meta, "+d.id, mend, func(t *suite.T) {
			o := operation{id: d.id, member: d.member, entity: d.entity}
			resp := t.Send(t.Read(full(t, "borrower"), d.path))
			t.Expect(resp, suite.OK)
			t.Check(d.entity == "CertificationMetric" || len(o.items(resp)) > 0, "there is nothing in the answer")
			o.fits(t, resp).report(t)
			t.Expect(t.Send(suite.Get(t.Target.ResourceBase+d.path)), suite.Answer{Status: 401})
		}))
	}
	for i := range cases {
		cases[i].Source = suite.FromShapes
	}
	return cases
}

// contractValues: what values have to be beside their type.
func contractValues() []suite.Case {
	return []suite.Case{
		contractCase("value.account-number", "no answer about accounts holds a whole account number", "FDX API 6, accountNumberDisplay", "Mask all of accountNumberDisplay but the last four characters, and derive no id from the number.", func(t *suite.T) {
			long := regexp.MustCompile(`\d{7,}`)
			for _, persona := range []string{"variety", "saver", "borrower"} {
				for _, a := range read(t, full(t, persona), "/accounts?resultType=details").List("accounts") {
					display, _ := suite.Dig(a, "accountNumberDisplay").(string)
					t.Check(display != "" && !long.MatchString(display), "accountNumberDisplay is missing or holds a long number")
					id, _ := suite.Dig(a, "accountId").(string)
					last := display[max(0, len(display)-4):]
					t.Check(!long.MatchString(strings.ReplaceAll(id, "-", "")) || !strings.HasSuffix(id, last), "the id of an account ends like its number")
				}
			}
		}),
		contractCase("value.tax-id", "a tax id leaves masked", "FDX API 6, Customer, taxId", "Mask all of taxId but its last four characters; whole it leaves encrypted only.", func(t *suite.T) {
			resp := read(t, alone(t, "borrower", "CUSTOMER_PERSONAL"), "/customers/current")
			tax := resp.Text("taxId")
			digits := len(regexp.MustCompile(`\d`).FindAllString(tax, -1))
			t.Check(tax != "" && digits <= 4, "taxId shows %d digits; expected four at most", digits)
		}),
		contractCase("value.account-ids", "the ids of accounts are unique, and the same in another consent", "FDX API 6, accountId", "Give each account an opaque id of its own for good.", func(t *suite.T) {
			ids := accountIDs(t, full(t, "variety"))
			sorted := slices.Clone(ids)
			slices.Sort(sorted)
			t.Check(len(slices.Compact(sorted)) == len(ids), "two accounts have one id")
			again := accountIDs(t, alone(t, "variety", "ACCOUNT_BASIC"))
			t.Check(slices.Equal(ids, again), "another consent about the same accounts names them otherwise")
		}),
		contractCase("value.transactions", "transactions have ids that are unique and stay, amounts without a sign, and money in cents", "FDX API 6, Transaction", "Give transactions ids for good; say the direction in debitCreditMemo and the size in amount.", func(t *suite.T) {
			g := full(t, "borrower")
			path := "/accounts/" + accountIDs(t, g)[0] + "/transactions?limit=500&" + window(-90, -3)
			first := read(t, g, path).List("transactions")
			t.Check(slices.Equal(idsOf(first, "transactionId"), idsOf(read(t, g, path).List("transactions"), "transactionId")), "a second read names other transactions, or in another order")
			ids := idsOf(first, "transactionId")
			slices.Sort(ids)
			t.Check(len(ids) > 0 && len(slices.Compact(ids)) == len(first), "of %d transactions two have one id", len(first))
			for _, tx := range first {
				amount, _ := suite.Dig(tx, "amount").(float64)
				cents := amount * 100
				if amount < 0 || cents-float64(int64(cents+0.5)) > 1e-6 || float64(int64(cents+0.5))-cents > 1e-6 {
					t.Errorf("an amount is negative, or has parts of cents")
					break
				}
			}
		}),
		contractCase("value.pending", "a transaction without a date of posting is not POSTED", "FDX API 6, Transaction, status", "Let status follow postedTimestamp.", func(t *suite.T) {
			g := full(t, "everyday")
			items := read(t, g, "/accounts/"+accountIDs(t, g)[0]+"/transactions?limit=500&"+window(-30, 0)).List("transactions")
			t.Check(len(items) > 0, "there are no transactions")
			for _, tx := range items {
				posted, pending := suite.Dig(tx, "postedTimestamp") != nil, suite.Dig(tx, "status") == "PENDING"
				if posted == pending {
					t.Errorf("a transaction has status %v and postedTimestamp: %v", suite.Dig(tx, "status"), posted)
					break
				}
			}
		}),
		contractCase("value.payment-networks", "a number to pay to comes with its kind, and with the direction it is good for", "FDX API 6, PaymentNetwork", "Give identifierType with identifier: ACCOUNT_NUMBER or TOKENIZED_ACCOUNT_NUMBER.", func(t *suite.T) {
			o := op("getAccountPaymentNetworks")
			for _, n := range o.items(read(t, o.whole(t), o.place(t))) {
				t.Check(suite.Dig(n, "identifierType") != nil && suite.Dig(n, "identifier") != nil, "a network lacks identifier or identifierType")
				t.Check(suite.Dig(n, "transferIn") == true || suite.Dig(n, "transferOut") == true, "a network is good for neither direction")
			}
		}),
		contractCase("value.own-links", "links lead to the API itself, and there to what they promise", "FDX API 6, HateoasLink", "Write links from the configured address and let no address of the bank out.", func(t *suite.T) {
			g := full(t, "borrower")
			account := accountIDs(t, g)[0]
			var links []any
			for _, s := range read(t, g, "/accounts/"+account+"/statements?"+window(-90, 0)).List("statements") {
				if suite.Dig(s, "links.0") != nil {
					links = append(links, suite.Dig(s, "links.0"))
				}
			}
			for _, tx := range read(t, g, "/accounts/"+account+"/transactions?limit=500&"+window(-90, 0)).List("transactions") {
				if suite.Dig(tx, "links.0") != nil {
					links = append(links, suite.Dig(tx, "links.0"))
					break
				}
			}
			for _, part := range read(t, g, "/customers/current").List("accounts") {
				links = append(links, suite.Dig(part, "links.0"))
			}
			t.Check(len(links) >= 3, "%d links; expected one of a statement, of an image and of an account at least", len(links))
			for _, link := range links {
				href, _ := suite.Dig(link, "href").(string)
				if !t.Check(strings.HasPrefix(href, t.Target.ResourceBase+"/"), "a link leads elsewhere") {
					continue
				}
				r := t.Call(g, http.MethodGet, href)
				r.Header.Set("Accept", "*/*")
				if types, ok := suite.Dig(link, "types.0").(string); ok {
					r.Header.Set("Accept", types)
				}
				t.Expect(t.Send(r), suite.OK)
			}
		}),
		contractCase("value.availability", "availability names each operation once, and one alone when it is asked for", "FDX API 6, getAvailability, operationId", "List the operations that there are; operationId picks one.", func(t *suite.T) {
			g := full(t, "borrower")
			all := idsOf(read(t, g, "/availability").List("availability"), "operationId")
			for _, o := range operations {
				t.Check(slices.Contains(all, o.id), "%s is missing", o.id)
			}
			sorted := slices.Sorted(slices.Values(all))
			t.Check(len(slices.Compact(sorted)) == len(all), "an operation is listed twice")
			one := idsOf(read(t, g, "/availability?operationId=getAccount").List("availability"), "operationId")
			t.Check(slices.Equal(one, []string{"getAccount"}), "operationId=getAccount gives %v", one)
			t.Expect(t.Send(t.Read(g, "/availability?operationId=no+operation")), suite.FDXRefused(400, "401"))
		}),
		contractCase("value.version", "an FDX version that is not served is 501 with code 1106", "FDX API 6, getCapability, fdxVersion", "Answer 501 for another version than the one that is served.", func(t *suite.T) {
			g := full(t, "borrower")
			served := suite.Dig(read(t, g, "/capability").Object(), "fdxVersions.0")
			t.Check(strings.HasPrefix(strings.TrimPrefix(fmt.Sprint(served), "V"), "6."), "fdxVersions is %v", served)
			t.Expect(t.Send(t.Read(g, "/capability?fdxVersion="+fmt.Sprint(served))), suite.OK)
			t.Expect(t.Send(t.Read(g, "/capability?fdxVersion=V5.0")), suite.FDXRefused(501, "1106"))
		}),
	}
}

// contractDocuments: documents in the forms that are asked for.
func contractDocuments() []suite.Case {
	begins := map[string]string{"application/pdf": "%PDF-", "image/png": "\x89PNG", "image/jpeg": "\xff\xd8\xff", "image/gif": "GIF8"}
	var cases []suite.Case
	for _, o := range operations {
		if o.media == nil {
			continue
		}
		cases = append(cases, contractCase("document."+o.slug(), o.id+" answers with a document in the form that Accept names", "FDX API 6.4, "+o.id, "Negotiate the form by Accept, say it in Content-Type, and send nothing else.", func(t *suite.T) {
			path := o.place(t)
			for _, media := range o.media {
				r := t.Read(full(t, o.persona), path)
				r.Header.Set("Accept", media)
				resp := t.Send(r)
				t.Expect(resp, suite.Answer{Status: 200, Header: map[string]string{"Content-Type": media}})
				t.Check(strings.HasPrefix(string(resp.Body), begins[media]), "the bytes are no %s", media)
			}
			r := t.Read(full(t, o.persona), path)
			r.Header.Set("Accept", "text/html;q=0.9, "+o.media[0]+";q=0.1")
			t.Expect(t.Send(r), suite.Answer{Status: 200, Header: map[string]string{"Content-Type": o.media[0]}})
		}), contractCase("document-form."+o.slug(), o.id+" in a form that there is none of is 406 with code 1203", "FDX API 6.4, error 1203", "Answer 406 where no range of Accept takes a form of the document.", func(t *suite.T) {
			path := o.place(t)
			t.Expect(t.Send(o.ask(t, full(t, o.persona), path)), suite.OK)
			for _, media := range []string{"text/html", "video/mp4", o.media[0] + ";q=0"} {
				r := t.Read(full(t, o.persona), path)
				r.Header.Set("Accept", media)
				t.Expect(t.Send(r), suite.FDXRefused(406, "1203"))
			}
		}))
	}
	return cases
}

// contractErrors: each refusal with its status and its code.
func contractErrors() []suite.Case {
	// one is a case about a path of a persona that is refused.
	one := func(id, title, spec string, status int, code string, path func(t *suite.T) (*suite.Grant, string)) suite.Case {
		return contractCase("error."+id, title, "FDX API 6, error "+spec, fmt.Sprintf("Answer %d with code %s.", status, code), func(t *suite.T) {
			g, p := path(t)
			r := t.Read(g, p)
			r.Header.Set("Accept", "application/json, application/pdf")
			t.Expect(t.Send(r), suite.FDXRefused(status, code))
		})
	}
	// first is the path of an account with a category.
	first := func(persona, category, rest string, app func(t *suite.T) *suite.Grant) func(t *suite.T) (*suite.Grant, string) {
		return func(t *suite.T) (*suite.Grant, string) {
			g := app(t)
			for _, a := range read(t, g, "/accounts").List("accounts") {
				if suite.Dig(a, "accountCategory") == category {
					return g, "/accounts/" + fmt.Sprint(suite.Dig(a, "accountId")) + rest
				}
			}
			t.Cannot("find an account", fmt.Errorf("%s has none of the kind %s", persona, category))
			return nil, ""
		}
	}
	whole := func(persona string) func(t *suite.T) *suite.Grant {
		return func(t *suite.T) *suite.Grant { return full(t, persona) }
	}
	pay := func(persona string) func(t *suite.T) *suite.Grant {
		return func(t *suite.T) *suite.Grant {
			return t.Shared(t.Named("billpay"), suite.Ask{Clusters: toPay, Lookback: 730, Persona: persona})
		}
	}
	at := func(persona, path string) func(t *suite.T) (*suite.Grant, string) {
		return func(t *suite.T) (*suite.Grant, string) {
			g := full(t, persona)
			if strings.Contains(path, "{account}") {
				path = strings.ReplaceAll(path, "{account}", accountIDs(t, g)[0])
			}
			return g, path
		}
	}
	return []suite.Case{
		one("image-unknown", "an image that is not there is 404 with code 1103", "1103", 404, "1103", at("borrower", "/accounts/{account}/transaction-images/none")),
		one("statement-unknown", "a statement that is not there is 404 with code 1104", "1104", 404, "1104", at("borrower", "/accounts/{account}/statements/1999-01")),
		one("statements-never", "a kind of account that never has statements is 404 with code 1108", "1108", 404, "1108", first("variety", "ANNUITY_ACCOUNT", "/statements", whole("variety"))),
		one("program-unknown", "a reward program that is not there is 404 with code 1101", "1101", 404, "1101", at("saver", "/reward-programs/none")),
		one("categories-of-unknown", "the categories of a reward program that is not there are 404 with code 1101", "1101", 404, "1101", at("saver", "/reward-programs/none/categories")),
		one("categories-none", "a reward program without categories is 404 with code 1102", "1102", 404, "1102", func(t *suite.T) (*suite.Grant, string) {
			g := full(t, "variety")
			programs := read(t, g, "/reward-programs").List("rewardPrograms")
			return g, "/reward-programs/" + fmt.Sprint(suite.Dig(programs[len(programs)-1], "rewardProgramId")) + "/categories"
		}),
		one("program-of-another", "a reward program in which no account of the consent takes part is not there", "1101", 404, "1101", func(t *suite.T) (*suite.Grant, string) {
			program := read(t, full(t, "saver"), "/reward-programs").Text("rewardPrograms.0.rewardProgramId")
			if program == "" {
				t.Cannot("find a program", fmt.Errorf("saver has none"))
			}
			return full(t, "borrower"), "/reward-programs/" + program
		}),
		one("customer-unknown", "a customer that is not there is 404 with code 601", "601", 404, "601", at("borrower", "/customers/none")),
		one("customer-of-another", "a customer who holds no account of the consent is not there", "601", 404, "601", func(t *suite.T) (*suite.Grant, string) {
			return full(t, "borrower"), "/customers/" + read(t, full(t, "saver"), "/customers/current").Text("customerId")
		}),
		one("networks-of-kind", "payment networks of a kind of account that has none are 422 with code 704", "704", 422, "704", first("variety", "ANNUITY_ACCOUNT", "/payment-networks", pay("variety"))),
		one("networks-none", "an account that cannot be paid to is 404 with code 1107", "1107", 404, "1107", first("borrower", "LOAN_ACCOUNT", "/payment-networks", pay("borrower"))),
		one("terms-none", "terms that there are none of are 404 with code 1107", "1107", 404, "1107", first("variety", "COMMERCIAL_ACCOUNT", "/terms-and-conditions", whole("variety"))),
		contractCase("error.empty-window", "a window without transactions is 200 with an empty list, and no null", "FDX API 6, searchForAccountTransactions", "Write [] for a list without entries.", func(t *suite.T) {
			g := full(t, "variety")
			for _, id := range accountIDs(t, g) {
				resp := t.Send(t.Read(g, "/accounts/"+id+"/transactions?"+window(-2, -2)))
				if t.Expect(resp, suite.OK) && len(resp.List("transactions")) == 0 {
					t.Check(resp.List("transactions") != nil, "transactions is null or missing")
					return
				}
			}
			t.Cannot("find an empty window", fmt.Errorf("every account has a transaction two days ago"))
		}),
		contractCase("error.bank-partly-down", "while a part of the bank is away the list says of which account it lacks something, with 206", "FDX API 6.4, 206 and Account.error", "Answer 206 and put error into the account; 503 with code 503 and Retry-After for the account alone.", func(t *suite.T) {
			g := full(t, "quirks")
			resp := t.Send(t.Read(g, "/accounts?resultType=details"))
			t.Expect(resp, suite.Answer{Status: http.StatusPartialContent})
			down := ""
			for _, a := range resp.List("accounts") {
				if suite.Dig(a, "error.code") != nil {
					down, _ = suite.Dig(a, "accountId").(string)
				}
			}
			if down == "" {
				t.Fatalf("no account says that it lacks something")
			}
			resp = t.Send(t.Read(g, "/accounts/"+down))
			t.Expect(resp, suite.FDXRefused(503, "503"))
			t.Check(resp.Header.Get("Retry-After") != "", "there is no Retry-After")
		}),
	}
}

// paged are the operations that page, and who has something to page.
var paged = []struct {
	op, persona string
	window      int // days, 0 for none
}{
	{"searchForAccounts", "variety", 0},
	{"searchForAccountTransactions", "borrower", 60},
	{"searchForAccountStatements", "borrower", 300},
	{"getAccountPaymentNetworks", "borrower", 0},
	{"getCustomers", "joint", 0},
	{"getRewardProgramCategories", "saver", 0},
}

// contractPages: pages.
func contractPages() []suite.Case {
	var cases []suite.Case
	for _, p := range paged {
		o := op(p.op)
		o.persona = p.persona
		o.query = ""
		path := func(t *suite.T) string {
			path := o.place(t) + "?"
			if p.window != 0 {
				path += window(-p.window, 0) + "&"
			}
			return path
		}
		cases = append(cases, contractCase("page."+o.slug(), "the pages of "+o.id+" together are the whole, each record once, and the last has no key and no link", "FDX API 6.4, PageMetadata", "Page by a stable order; leave nextPageKey and the link out on the last page.", func(t *suite.T) {
			g, base := o.whole(t), path(t)
			whole := read(t, g, base+"limit=500")
			if !t.Expect(whole, suite.Answer{Absent: []string{"page.nextPageKey", "page.nextOffset", "links.next"}}) {
				return // whoever follows that key reads on for ever
			}
			all := o.items(whole)
			if len(all) < 2 {
				t.Cannot("page", fmt.Errorf("there are %d records", len(all)))
			}
			size := max(1, len(all)/4)
			var parts []any
			next := base + fmt.Sprintf("limit=%d", size)
			for pages := 0; next != "" && pages < 60; pages++ {
				resp := read(t, g, next)
				items := o.items(resp)
				t.Check(len(items) <= size, "a page holds %d records; asked for %d at most", len(items), size)
				parts = append(parts, items...)
				key, href := resp.Text("page.nextPageKey"), resp.Text("links.next.href")
				t.Check((key == "") == (href == ""), "of key and link to the next page one is missing")
				if offset := resp.Member("page.nextOffset"); offset != nil {
					t.Check(offset == key, "nextOffset differs from nextPageKey")
				}
				next = ""
				if href != "" {
					if !t.Check(strings.HasPrefix(href, t.Target.ResourceBase+"/"), "the link to the next page leads elsewhere") {
						return
					}
					next = strings.TrimPrefix(href, t.Target.ResourceBase)
				}
			}
			t.Check(slices.EqualFunc(parts, all, func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }), "the pages hold %d records, the whole %d, or in another order", len(parts), len(all))
		}))
	}
	return append(cases,
		contractCase("page.offset", "the older parameter offset does what pageKey does, and the two must not differ", "FDX API 6.4, offset (deprecated)", "Read offset as pageKey; 400 with code 401 when they differ.", func(t *suite.T) {
			g := full(t, "variety")
			first := read(t, g, "/accounts?limit=2")
			key := first.Text("page.nextPageKey")
			byKey, byOffset := t.Send(t.Read(g, "/accounts?limit=2&pageKey="+key)), t.Send(t.Read(g, "/accounts?limit=2&offset="+key))
			t.Expect(byKey, suite.OK)
			t.Expect(byOffset, suite.OK)
			t.Check(slices.Equal(idsOf(byKey.List("accounts"), "accountId"), idsOf(byOffset.List("accounts"), "accountId")), "offset gives another page than pageKey")
			t.Expect(t.Send(t.Read(g, "/accounts?limit=2&pageKey="+key+"&offset="+key+"A")), suite.FDXRefused(400, "401"))
		}),
		contractCase("page.limit", "limit is a whole number from 1 to 500, and anything else is refused", "FDX API 6, limit (documented contract: 1 to 500)", "Refuse what is no such number; never put a default in its place.", func(t *suite.T) {
			g := full(t, "variety")
			for _, limit := range []string{"1", "500"} {
				t.Expect(t.Send(t.Read(g, "/accounts?limit="+limit)), suite.OK)
			}
			for _, limit := range []string{"0", "-1", "501", "1.5", "1e2", "%2B5", "abc", "99999999999999999999", "%20", "0x10"} {
				if !t.Expect(t.Send(t.Read(g, "/accounts?limit="+limit)), suite.FDXRefused(400, "401")) {
					t.Errorf("that was limit=%s", limit)
				}
			}
		}),
		contractCase("page.limit-of-link", "the link to the next page repeats the query that it continues", "FDX API 6, links.next", "Write the parameters of the request into the link.", func(t *suite.T) {
			g := full(t, "heavy")
			base := "/accounts/" + accountIDs(t, g)[0] + "/transactions?" + window(-20, -2) + "&limit=3"
			href := read(t, g, base).Text("links.next.href")
			for _, want := range []string{"startDate=" + day(-20), "endDate=" + day(-2), "limit=3", "pageKey="} {
				t.Check(strings.Contains(href, want), "the link lacks %s", strings.SplitN(want, "=", 2)[0])
			}
			second := read(t, g, strings.TrimPrefix(href, t.Target.ResourceBase))
			t.Check(len(second.List("transactions")) == 3, "the second page holds %d", len(second.List("transactions")))
			before, _, after := span(second.List("transactions"), day(-20), day(-2))
			t.Check(before+after == 0, "the second page leaves the window")
		}),
	)
}

// contractBinding: a page key is good for the request that it was made for.
func contractBinding() []suite.Case {
	malformed := suite.FDXRefused(400, "401")
	// swap is a case that takes a page key elsewhere.
	swap := func(id, title, mend string, elsewhere func(t *suite.T, g *suite.Grant, path, key string)) suite.Case {
		return contractCase("page-key."+id, title, "FDX API 6, pageKey", mend, func(t *suite.T) {
			g := full(t, "borrower")
			path := "/accounts/" + accountIDs(t, g)[0] + "/transactions?" + window(-60, -2) + "&limit=3&pageKey="
			key := read(t, g, strings.TrimSuffix(path, "&pageKey=")).Text("page.nextPageKey")
			if key == "" {
				t.Cannot("get a page key", fmt.Errorf("there is one page only"))
			}
			elsewhere(t, g, path, key)
			t.Expect(t.Send(t.Read(g, path+key)), suite.OK)
		})
	}
	const bind = "Seal page keys with the grant, the operation, the account and the filter that they belong to."
	return []suite.Case{
		swap("other-grant", "a page key of another consent of the same person is refused", bind, func(t *suite.T, _ *suite.Grant, path, key string) {
			other := t.Shared(t.Named("homewards"), suite.Ask{Clusters: everything, Lookback: 730, Persona: "borrower", Accounts: []int{0}})
			t.Expect(t.Send(t.Read(other, path+key)), malformed)
		}),
		swap("other-recipient", "a page key of another recipient is refused", bind, func(t *suite.T, _ *suite.Grant, path, key string) {
			other := t.Shared(t.A(), suite.Ask{Clusters: []string{"ACCOUNT_BASIC", "TRANSACTIONS"}, Lookback: 365, Persona: "borrower"})
			t.Expect(t.Send(t.Read(other, strings.TrimSuffix(path, "&pageKey="))), suite.OK)
			t.Expect(t.Send(t.Read(other, path+key)), malformed)
		}),
		swap("other-account", "a page key of another account is refused", bind, func(t *suite.T, g *suite.Grant, path, key string) {
			ids := accountIDs(t, g)
			elsewhere := strings.Replace(path, ids[0], ids[1], 1)
			t.Expect(t.Send(t.Read(g, strings.TrimSuffix(elsewhere, "&pageKey="))), suite.OK)
			t.Expect(t.Send(t.Read(g, elsewhere+key)), malformed)
		}),
		swap("other-operation", "a page key of another operation is refused", bind, func(t *suite.T, g *suite.Grant, path, key string) {
			elsewhere := strings.Replace(path, "/transactions?", "/statements?", 1)
			t.Expect(t.Send(t.Read(g, elsewhere+key)), malformed)
			t.Expect(t.Send(t.Read(g, "/accounts?limit=3&pageKey="+key)), malformed)
		}),
		swap("other-filter", "a page key of another window is refused", bind, func(t *suite.T, g *suite.Grant, path, key string) {
			t.Expect(t.Send(t.Read(g, strings.Replace(path, window(-60, -2), window(-90, -2), 1)+key)), malformed)
		}),
		swap("altered", "a page key that was changed in any place is refused", "Authenticate page keys, all of them.", func(t *suite.T, g *suite.Grant, path, key string) {
			for _, bent := range []string{bendToken(key), "A" + key[1:], key[:len(key)/2] + flip(key[len(key)/2]) + key[len(key)/2+1:], key[:len(key)-1], key + "A", key + key, key + "%3D", strings.ToUpper(key), "1", "null", strings.Repeat("A", 3000)} {
				if bent == key {
					continue
				}
				if !t.Expect(t.Send(t.Read(g, path+bent)), malformed) {
					t.Errorf("that was a page key of %d characters", len(bent))
				}
			}
		}),
		swap("again", "a page key can be used again, for the same page", "Keep no state with a page key: an answer may be lost.", func(t *suite.T, g *suite.Grant, path, key string) {
			a, b := read(t, g, path+key), read(t, g, path+key)
			t.Check(slices.Equal(idsOf(a.List("transactions"), "transactionId"), idsOf(b.List("transactions"), "transactionId")), "the second use gives another page")
		}),
		swap("opaque", "a page key tells nothing of what is in it", "Encrypt page keys: places are of the bank's own making.", func(t *suite.T, g *suite.Grant, path, key string) {
			again := read(t, g, strings.TrimSuffix(path, "&pageKey=")).Text("page.nextPageKey")
			t.Check(len(key) >= 40 && again != key, "the same page has the same key each time: it is not encrypted with a nonce")
			t.Check(!strings.Contains(key, accountIDs(t, g)[0]) && !strings.Contains(key, time.Now().UTC().Format("2006-01")), "the key names an account or a date")
		}),
	}
}

// flip is another character of base64url.
func flip(c byte) string {
	if c == 'x' {
		return "y"
	}
	return "x"
}
