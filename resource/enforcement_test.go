package resource

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
)

// enforcementFile says to people what this package and the map of package fdx
// do. It is written from both.
const enforcementFile = "../docs/enforcement.md"

func TestEnforcementIsDocumented(t *testing.T) {
	t.Parallel()
	want := enforcement()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(enforcementFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(enforcementFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date; write it anew with\n\tgo test ./resource -run EnforcementIsDocumented -update", enforcementFile)
	}
}

// Every entity that a cluster covers is in the answer of an operation, and
// every operation answers with entities that there are.
func TestEveryEntityHasAnOperation(t *testing.T) {
	t.Parallel()
	served := map[string]bool{}
	for _, e := range endpoints() {
		for _, name := range e.about().entities {
			served[name] = true
		}
	}
	for _, e := range fdx.Entities() {
		if !e.Needs.Empty() && !served[e.Name] {
			t.Errorf("nothing answers with %s", e.Name)
		}
		delete(served, e.Name)
	}
	if len(served) != 0 {
		t.Errorf("no such entities: %v", served)
	}
}

// What opens an operation carries something: of each cluster that opens it
// there is a field that goes through.
func TestWhatOpensCarries(t *testing.T) {
	t.Parallel()
	for _, e := range endpoints() {
		a := e.about()
		if !a.any.Without(a.through).Empty() {
			t.Errorf("%s is opened by %v and carries %v", a.id, a.any.Names(), a.through.Names())
		}
		if a.any.Empty() != a.through.Empty() || !a.any.Empty() && !a.document && len(a.entities) == 0 {
			t.Errorf("%s is half described", a.id)
		}
	}
}

func enforcement() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	row := func(e *fdx.Error) string { return fmt.Sprintf("%d, code %s", e.Status, e.Code) }

	line("# Enforcement\n")
	line("What leaves the gateway, of which account, at which endpoint, under which grant. This file is written from the code by `go test ./resource -run EnforcementIsDocumented -update`; a test fails while it is out of date. Codes are in [errors.md](errors.md).\n")
	line("A value leaves when all of this holds:\n")
	line("1. the grant is active, unexpired, and neither paused nor held, and the token and the recipient are active, at the instant at which the read is recorded;")
	line("2. the token has a scope of one of the clusters that open the operation;")
	line("3. the account is in the grant, and its entry there holds such a cluster;")
	line("4. the day of the record is in the window that was asked for and in the look-back of the grant;")
	line("5. the operation carries a cluster that the account's entry holds, the token has a scope of, and the field's row names, and the same goes for every field around it.\n")
	line("ACCOUNT_DETAILED implies ACCOUNT_BASIC and CUSTOMER_PERSONAL implies CUSTOMER_CONTACT, for grants and for tokens; nothing else implies anything. A field without a row never leaves.\n")

	line("## Answers by state\n")
	line("The first row that fits decides.\n")
	line("| Grant, token, account | Answer |\n|---|---|")
	for _, r := range [][2]string{
		{"the grant is revoked or expired, also while reading; the token is unknown, expired, revoked or bound to another key; the recipient is suspended", row(fdx.ErrAuthentication)},
		{"the request is malformed, or a page key of something else", row(fdx.ErrInvalidInput)},
		{"sharing rests: the consumer has paused it, or it is on hold; also while reading", row(fdx.ErrForbidden)},
		{"the token has no scope that opens the operation", row(fdx.ErrForbidden)},
		{"the account is not in the grant, or does not exist: the same bytes", row(fdx.ErrAccountNotFound)},
		{"of a list of accounts none is in the grant", row(fdx.ErrDataNotFound)},
		{"the account is in the grant without a cluster that opens the operation", row(fdx.ErrCustomerNotAuthorized)},
		{"the window lies wholly before the look-back", row(fdx.ErrInvalidDateRange)},
		{"the window begins before the look-back", "200 with what is inside; `x-fdx-effective-start` names the first day"},
		{"the account is locked at the bank", row(fdx.ErrAccountLocked)},
		{"the account is closed: networks", row(fdx.ErrAccountClosed)},
		{"the account is closed: everything else", "200"},
		{"a statement or an image of a day before the look-back, or of another account", row(fdx.ErrStatementNotFound) + "; " + row(fdx.ErrImageNotFound)},
		{"a reward program in which no account of the grant with REWARDS takes part", row(fdx.ErrRewardProgramNotFound)},
		{"a customer who holds no account of the grant, or of whom nothing may leave", row(fdx.ErrCustomerNotFound)},
		{"the bank lacks the operation", row(fdx.ErrNotImplemented)},
		{"the bank answers with anything outside the access", row(fdx.ErrSubsystem)},
		{"all else", "200"},
	} {
		line("| %s | %s |", r[0], r[1])
	}

	line("\n## Endpoints\n")
	line("Below `%s`. Any cluster of the third column opens the endpoint, as a scope of the token and in the grant; what it carries is what its answer can hold fields of. With *customer* the CUSTOMER entry of the grant counts for each account in it.\n", fdxhttp.Base)
	line("| Operation | Path | Opened by | Carries | Answers with |\n|---|---|---|---|---|")
	for _, e := range endpoints() {
		a := e.about()
		opened, carries, with := clusterNames(a.any), clusterNames(a.through), strings.Join(a.entities, ", ")
		if a.any.Empty() {
			opened, carries, with = "any living token", "no data", "what the provider says about itself"
		}
		if a.through == a.any && !a.any.Empty() {
			carries = "the same"
		}
		if a.document {
			with = "a document"
		}
		if a.holders {
			opened += "; *customer*"
		}
		line("| %s | `%s` | %s | %s | %s |", a.id, a.path, opened, carries, with)
	}
	line("\nsearchForAccounts carries ACCOUNT_BASIC alone unless `resultType=details` is asked for.")

	line("\n## Beyond fields\n")
	line("- Of a holder who is not the person that consents, nothing leaves but CUSTOMER_CONTACT. The customer's parts in accounts are those in the grant whose entry has CUSTOMER_CONTACT.")
	line("- A tax id leaves masked but for its last four characters.")
	line("- A membership leaves with those of its accounts that are in the grant with REWARDS, by the clusters of these, and not at all without one; a program not without a membership.")
	line("- Addresses that the bank wrote into `links` never leave. The gateway writes its own: from an AVAILABLE statement to its document, from `imageIds` to the images, from a customer's part in an account to the account.")
	line("- A document leaves in a form that `Accept` names. A statement's document and a transaction's image have a day, and the look-back goes for it.")
	line("- Commercial accounts carry no balances: FDX gives theirs in a form that is not public.")

	line("\n## Fields\n")
	line("Any cluster of a row lets the field through; *always* goes with whatever else of the entity leaves.")
	for _, e := range fdx.Entities() {
		if e.Needs.Empty() {
			continue
		}
		line("\n### %s\n", e.Name)
		line("Nothing of it leaves without one of %s.\n", clusterNames(e.Needs))
		line("| Field | Clusters |\n|---|---|")
		for _, f := range e.Fields {
			clusters := clusterNames(f.Clusters)
			if f.Always {
				clusters = "*always*"
			}
			line("| `%s` | %s |", f.Path, clusters)
		}
	}
	line("\n## Not data of anybody\n")
	line("Who may see these is decided by their operations, and no cluster covers them.\n")
	for _, e := range fdx.Entities() {
		if e.Needs.Empty() {
			line("- %s", e.Name)
		}
	}
	return b.String()
}

func clusterNames(c fdx.Clusters) string { return strings.Join(c.Names(), ", ") }
