package contract

// The rules. Their names are stable: a bank keeps them in its tickets.
const (
	ruleError       = "error"
	rulePanic       = "panic"
	ruleUndeclared  = "operation-undeclared"
	ruleMissing     = "operation-missing"
	ruleUnknownOp   = "operation-unknown"
	ruleAvailable   = "availability"
	rulePageLong    = "page-too-long"
	ruleNextLong    = "next-too-long"
	rulePageLoop    = "page-loop"
	rulePages       = "page-loses"
	rulePlace       = "made-up-place"
	ruleDuplicate   = "duplicate-id"
	ruleUnstable    = "unstable"
	ruleForeign     = "foreign-account"
	ruleNoAccount   = "no-account"
	ruleBeyond      = "beyond-access"
	ruleAbsent      = "missing-account"
	ruleLocked      = "locked-account"
	ruleWrongParent = "wrong-account"
	ruleDiffers     = "differs-from-list"
	ruleWindow      = "outside-window"
	ruleEdge        = "window-edge"
	ruleOrder       = "newest-first"
	rulePending     = "pending-first"
	ruleStatus      = "pending-status"
	ruleShared      = "shared-memory"
	ruleConcurrent  = "concurrent-use"
	ruleDeadline    = "deadline"
	ruleBadID       = "bad-id"
	ruleCategory    = "category"
	ruleRequired    = "missing-field"
	ruleCurrency    = "currency"
	ruleSign        = "negative-amount"
	ruleEnum        = "unknown-value"
	ruleForm        = "document-form"
	ruleSize        = "document-size"
	ruleDate        = "document-date"
	ruleNotFound    = "not-found"
	ruleChooser     = "chooser-differs"
)

// Rule is a rule of the contract as a bank's engineer reads it.
type Rule struct {
	// Name is stable.
	Name string
	// Mend is what to do about a breach.
	Mend string
}

// Rules returns every rule, in the order of the documentation. The slice
// belongs to the caller.
func Rules() []Rule {
	return []Rule{
		{ruleError, "Answer with the data, or with one of the errors that resource.Provider names. Any other error is told to the app as the bank being out of order (503)."},
		{rulePanic, "Return an error in place of a panic: a panic costs the gateway the request, and its cause is lost."},
		{ruleUndeclared, "List the operation in Operations, or return ErrNotOffered from its method (embedding resource.NotOffered does that)."},
		{ruleMissing, "Take the operation out of Operations, or never return ErrNotOffered from its method."},
		{ruleUnknownOp, "List each operation once, and only operations that are a bank's: getCapability, getAvailability and the consent operations are the gateway's own."},
		{ruleAvailable, "Return ALIVE, DOWN, MAINTENANCE or PARTIAL for the bank as a whole, without an operation id."},
		{rulePageLong, "Return at most Limit records on a page."},
		{ruleNextLong, "Keep Page.Next at 200 bytes or less: name the last record by its sort key and id, not by a copy of it."},
		{rulePageLoop, "Let each page begin after the last record of the one before; leave Next empty on the last page."},
		{rulePages, "Make Next name a place in a fixed order (sort key, then id), and read from behind it, so that pages of any size give the same list."},
		{rulePlace, "Refuse a place that you did not issue with an error, or give no records for it; never begin anew."},
		{ruleDuplicate, "Give each record an id of its own within its list, and list it once: ties in the sort key are broken by id."},
		{ruleUnstable, "Sort by a key that decides every tie, such as time and then id: the same question must give the same list in the same order."},
		{ruleForeign, "Look accounts up by their id together with the consumer of the Access, and return ErrNoAccount (in lists: leave out) when the consumer does not hold the account."},
		{ruleNoAccount, "Return ErrNoAccount for an account that is unknown or that the consumer does not hold; in lists leave it out."},
		{ruleBeyond, "Return only what belongs to the accounts in the Access, not all that the consumer has."},
		{ruleAbsent, "Return every account of the Access that the consumer holds, once."},
		{ruleLocked, "Return ErrAccountLocked for an account that may not be read now; in the list of accounts give its descriptor alone."},
		{ruleWrongParent, "Give each record the id of the account (or program) that was asked for."},
		{ruleDiffers, "Build the single record and the one in the list by the same code: they must be equal."},
		{ruleWindow, "Select by the window of the Access in the bank's own query, on every page: the effective date of a transaction is the UTC day on which it was posted, or happened while it is pending."},
		{ruleEdge, "Include both days of the window, each to its end in UTC."},
		{ruleOrder, "Sort newest first."},
		{rulePending, "Put pending records before posted ones, whatever their dates."},
		{ruleStatus, "Set postedTimestamp when the status is POSTED, and leave it out while it is PENDING: the order and the window go by it."},
		{ruleShared, "Return values that belong to the caller: copy slices and pointers out of any cache."},
		{ruleConcurrent, "Make the provider safe for concurrent use: keep nothing about a call in fields that calls share."},
		{ruleDeadline, "Hand the context to every call below, and return its error once it has ended."},
		{ruleBadID, "Give every record an id of 1 to 256 printable characters that stays the same for its whole life."},
		{ruleCategory, "Set exactly one category per record; a transaction has that of its account."},
		{ruleRequired, "Fill the fields that are always given."},
		{ruleCurrency, "Give each account, and each foreign amount, an ISO 4217 code of three capital letters."},
		{ruleSign, "Give amounts without a sign: debitCreditMemo tells the direction."},
		{ruleEnum, "Translate the bank's codes into the values that FDX has; leave the field out when none fits."},
		{ruleForm, "Return a document of one of the forms that were asked for, or ErrNotAcceptable."},
		{ruleSize, "Return documents of 1 byte to 8 MiB."},
		{ruleDate, "Set Document.Date to the date of the statement, or to the effective date of the transaction."},
		{ruleNotFound, "Return ErrNotFound for what does not exist or what the Access does not reach."},
		{ruleChooser, "Let the choice of accounts and the provider read the same source: what a person can choose must be readable."},
	}
}

func mend(name string) string {
	for _, r := range Rules() {
		if r.Name == name {
			return r.Mend
		}
	}
	panic("contract: no rule " + name)
}
