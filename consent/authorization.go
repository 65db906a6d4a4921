package consent

import (
	"context"
	"time"

	"github.com/headgate/headgate/fdx"
)

// Decision is what the consumer decided.
type Decision string

// The decisions. The empty one means that none was made yet.
const (
	Undecided Decision = ""
	Approved  Decision = "approved"
	Denied    Decision = "denied"
)

// Cause is why a journey ends without sharing, where it was not that the person
// said no. The app is told (section 4.1.2.1 of RFC 6749 has the codes), and so
// is the person.
type Cause string

// The causes. The empty one is the person's own no.
const (
	CauseBank Cause = "bank" // the bank cannot go on now, and the person did not wait
	CauseOff  Cause = "off"  // the person has all new sharing switched off, and left it so
	CauseTime Cause = "time" // nobody did anything for JourneyTime
	CauseApp  Cause = "app"  // the app may not ask now
)

// Authorization is one consumer's decision in progress: the pushed request
// on one side, what the person has done so far on the other. Pages read it
// and replace it as a whole; nothing else carries state from page to page.
type Authorization struct {
	ID AuthorizationID
	// Version rises with every replacement; stores compare it.
	Version int64
	// Browser is the hash of the browser session that the decision is bound
	// to; only that session may see or change it.
	Browser string
	// Pushed is the hash of the request_uri that is being answered.
	Pushed    string
	Recipient RecipientID
	Request   Request
	LoginHint string
	UILocales []string // preferred first; nil when the app named none

	Consumer        ConsumerID // empty until signed in
	AuthenticatedAt time.Time
	// FirstFactor is FactorKey for somebody who signed in with a passkey and
	// gave no password; empty for everybody else.
	FirstFactor Factor
	// SecondFactor is by what the person proved a second time who they are,
	// and SecondFactorAt when; empty until they did.
	SecondFactor   Factor
	SecondFactorAt time.Time
	// Holder is whose accounts are shared, as it is kept; the zero Holder
	// until chosen, and where there is no choice.
	Holder     Holder
	Accounts   []fdx.AccountID // empty until chosen
	Decision   Decision
	Cause      Cause      // empty unless the decision is Denied
	Disclosure Disclosure // what was shown when the decision was made
	// Answered: the app has been given its answer; nothing is left to do.
	Answered  bool
	ExpiresAt time.Time // the human's time, apart from the request_uri's
}

// Step is what has to happen next in an Authorization.
type Step string

// The steps, in the order in which a person meets them.
const (
	StepLogin Step = "login"
	// StepSharing: the person has all new sharing switched off, and may switch
	// it on. Only the server knows; Next does not return it.
	StepSharing Step = "sharing"
	// StepWhose comes before StepAccounts for a person who has accounts in more
	// than one name, which only the bank knows; Next does not return it.
	StepWhose    Step = "whose"
	StepAccounts Step = "accounts"
	StepReview   Step = "review"
	// StepStepUp: approved, but what was asked for takes a second proof of
	// who decides.
	StepStepUp  Step = "step-up"
	StepIssue   Step = "issue" // approved: make the grant and answer the app
	StepDeny    Step = "deny"  // refused: answer the app, make nothing
	StepDone    Step = "done"  // answered: only a page to show
	StepExpired Step = "expired"
)

// JourneyTime is how long a person may do nothing before a decision in progress
// is over. Whoever still reads or types says so, and the time starts again.
const JourneyTime = 15 * time.Minute

// Factor is a second proof of who somebody is, by the names of RFC 8176.
type Factor string

// The factors.
const (
	FactorCode Factor = "otp" // a one-time code
	FactorKey  Factor = "hwk" // a passkey
	FactorBank Factor = "ext" // the bank's own sign-in vouches for it
)

// StepUp says which data takes a second proof of who decides, and how old that
// may be. The zero value is of a request that no policy was applied to: the
// strictest rule there is.
type StepUp struct {
	Clusters      fdx.Clusters `json:"clusters"`
	MaxAgeMinutes int          `json:"maxAgeMinutes"` // at least 1 in one that policy made
}

// StepUpTime is how long a second proof is fresh where no policy says it.
const StepUpTime = 5 * time.Minute

// guarded are the data clusters with which somebody could act in a person's
// name. A password alone does not share them where no policy says which.
var guarded = fdx.NewClusters(fdx.CustomerPersonal, fdx.PaymentSupport, fdx.SocialSecurityNumber, fdx.Tax, fdx.Transfers)

// Guarded returns what of the request takes a second proof, empty when nothing
// does.
func (r Request) Guarded() fdx.Clusters {
	if r.StepUp.MaxAgeMinutes < 1 {
		return r.Clusters().Intersect(guarded)
	}
	return r.Clusters().Intersect(r.StepUp.Clusters)
}

// ProofAge is how old a second proof may be when the decision takes effect.
func (r Request) ProofAge() time.Duration {
	if r.StepUp.MaxAgeMinutes < 1 {
		return StepUpTime
	}
	return time.Duration(r.StepUp.MaxAgeMinutes) * time.Minute
}

// proved reports whether a second proof was given in this sign-in and is fresh
// at now.
func (a Authorization) proved(now time.Time) bool {
	return a.SecondFactor != "" && !a.SecondFactorAt.Before(a.AuthenticatedAt) &&
		now.Sub(a.SecondFactorAt) < a.Request.ProofAge()
}

// Next returns what has to happen next at now. It is the only place that
// knows the order of the journey.
func (a Authorization) Next(now time.Time) Step {
	switch {
	case a.Answered:
		return StepDone
	case !now.Before(a.ExpiresAt):
		return StepExpired
	case a.Decision == Denied:
		return StepDeny
	case a.Consumer == "":
		return StepLogin
	case len(a.Accounts) == 0:
		return StepAccounts
	case a.Decision == Approved && !a.Request.Guarded().Empty() && !a.proved(now):
		return StepStepUp
	case a.Decision == Approved:
		return StepIssue
	default:
		return StepReview
	}
}

// Grant returns the grant that an approved authorization makes at now; Changed
// is for one that changes a grant. The caller supplies the parties. It panics
// when the step is not StepIssue, because no caller may reach it otherwise.
func (a Authorization) Grant(id GrantID, parties []Party, now time.Time) Grant {
	if a.Next(now) != StepIssue {
		panic("consent: grant made from an authorization that is not approved")
	}
	now = now.UTC().Truncate(time.Second)
	g := Grant{
		ID: id, Recipient: a.Recipient, Consumer: a.Consumer,
		Status: StatusActive, Epoch: 1, Holder: a.Holder,
		Purpose: a.Request.Purpose.Code, Duration: a.Request.Duration,
		DurationDays: a.Request.DurationDays, LookbackDays: a.Request.LookbackDays,
		Parties: parties, Disclosure: a.Disclosure,
		CreatedAt: now, ExpiresAt: a.Request.ExpiresAt(now),
	}
	for _, acc := range a.Accounts {
		g.Resources = append(g.Resources, Resource{Type: ResourceAccount, ID: string(acc), Clusters: a.Request.Account})
	}
	if !a.Request.Customer.Empty() {
		g.Resources = append(g.Resources, Resource{Type: ResourceCustomer, ID: string(a.Consumer), Clusters: a.Request.Customer})
	}
	return g
}

// Authorizations keeps decisions in progress. Implementations are safe for
// concurrent use; each method is one transaction.
type Authorizations interface {
	// Open stores a, or returns the one that already exists for the same
	// Pushed and Browser: loading the page twice starts nothing twice.
	Open(ctx context.Context, a Authorization) (Authorization, error)

	// Authorization returns the one with that id that is bound to browser,
	// or ErrNotFound, also when it belongs to another browser.
	Authorization(ctx context.Context, id AuthorizationID, browser string) (Authorization, error)

	// Replace stores a in place of the version it was read as and raises
	// Version; ErrConflict when another replacement came first.
	Replace(ctx context.Context, a Authorization) (Authorization, error)

	// Extend moves ExpiresAt to until, unless it is later already, and leaves
	// Version as it is: pages that are open stay good. ErrNotFound when it is
	// unknown, another browser's, answered, or over at now.
	Extend(ctx context.Context, id AuthorizationID, browser string, now, until time.Time) error
}

// AccountChoice is one account as the consumer sees it when choosing what to
// share.
type AccountChoice struct {
	ID fdx.AccountID
	// Name is the product or nickname; Display the masked number.
	Name, Display string
	Category      string // FDX accountCategory, such as DEPOSIT_ACCOUNT
	Joint         bool
	// Holder is in whose name the account is; the zero Holder where the bank
	// makes no difference.
	Holder Holder
	// Ineligible is empty for an account that can be shared, else why not:
	// one of the Ineligible reasons.
	Ineligible string
}

// The reasons why an account cannot be shared.
const (
	IneligibleClosed  = "closed"
	IneligibleLocked  = "locked"
	IneligiblePending = "pending"
)

// AccountChooser lists what a consumer could share. The provider behind it
// is the bank.
type AccountChooser interface {
	// Choices returns the accounts of a consumer in display order, nil when
	// there are none.
	Choices(ctx context.Context, who ConsumerID) ([]AccountChoice, error)
}
