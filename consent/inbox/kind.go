package inbox

// Kind says what a notice is about.
type Kind string

// The kinds of notices.
const (
	Granted  Kind = "granted"
	Changed  Kind = "changed"
	Stopped  Kind = "stopped" // by the person, the app or the bank
	Ended    Kind = "ended"   // by time
	Paused   Kind = "paused"
	Resumed  Kind = "resumed"
	Held     Kind = "held"
	Released Kind = "released"
	Slowed   Kind = "slowed"
	Ending30 Kind = "ending_30" // sharing ends in 30 days
	Ending7  Kind = "ending_7"
	Ending1  Kind = "ending_1"
	Unused   Kind = "unused" // not read for UnusedDays
	Policy   Kind = "policy" // the app's policy, terms or description changed
	Owner    Kind = "owner"  // the app has another owner
	// Sign-ins and the person's own record; about no grant.
	Browser        Kind = "browser" // a sign-in from a browser not seen before
	PasskeyAdded   Kind = "passkey_added"
	PasskeyRemoved Kind = "passkey_removed"
	PasskeyCopied  Kind = "passkey_copied" // one was refused that may be a copy
	Export         Kind = "export"         // a copy of the record was made
	Erase          Kind = "erase"          // the record is to be erased
	// The person's switch for all new sharing; about no grant.
	SharingOff Kind = "sharing_off"
	SharingOn  Kind = "sharing_on"
)

// UnusedDays is after how many days without a read a person is told.
const UnusedDays = 60

// Kinds returns every kind.
func Kinds() []Kind {
	return []Kind{
		Granted, Changed, Stopped, Ended, Paused, Resumed, Held, Released, Slowed,
		Ending30, Ending7, Ending1, Unused, Policy, Owner, Browser,
		PasskeyAdded, PasskeyRemoved, PasskeyCopied, Export, Erase, SharingOff, SharingOn,
	}
}

// Days returns how many days before the end the notice is given, 0 for a kind
// that is not about that.
func (k Kind) Days() int {
	switch k {
	case Ending30:
		return 30
	case Ending7:
		return 7
	case Ending1:
		return 1
	default:
		return 0
	}
}

// Topic is what a person can decide about: kinds that belong together.
type Topic string

// The topics. The fixed ones are what a person must not miss: somebody who got
// into an account could otherwise switch off what would give him away.
const (
	TopicNew      Topic = "new"      // new sharing; fixed
	TopicChanged  Topic = "changed"  // sharing changed; fixed
	TopicStopped  Topic = "stopped"  // sharing stopped; fixed
	TopicHeld     Topic = "held"     // paused, held, slowed, and back; fixed
	TopicSecurity Topic = "security" // sign-ins; fixed
	TopicRecord   Topic = "record"   // copies and erasure of the record; fixed
	TopicEnding   Topic = "ending"   // sharing ends soon or has ended by time
	TopicUnused   Topic = "unused"
	TopicApp      Topic = "app" // the app's policy or owner changed
)

// Topics returns every topic, the fixed ones first.
func Topics() []Topic {
	return []Topic{TopicNew, TopicChanged, TopicStopped, TopicHeld, TopicSecurity, TopicRecord, TopicEnding, TopicUnused, TopicApp}
}

// Fixed reports whether mail about the topic is always sent, and at once. An
// unknown topic is fixed.
func (t Topic) Fixed() bool {
	switch t {
	case TopicEnding, TopicUnused, TopicApp:
		return false
	default:
		return true
	}
}

// Topic returns the topic that the kind belongs to. What is unknown belongs to
// TopicSecurity, so that nobody can have switched it off.
func (k Kind) Topic() Topic {
	switch k {
	case Granted:
		return TopicNew
	case Changed, SharingOff, SharingOn:
		return TopicChanged
	case Stopped:
		return TopicStopped
	case Paused, Resumed, Held, Released, Slowed:
		return TopicHeld
	case Ended, Ending30, Ending7, Ending1:
		return TopicEnding
	case Unused:
		return TopicUnused
	case Policy, Owner:
		return TopicApp
	case Export, Erase:
		return TopicRecord
	default:
		return TopicSecurity
	}
}
