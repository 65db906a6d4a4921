package inbox

import (
	"strconv"
	"strings"
)

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
	Unused   Kind = "unused" // not read for Notice.Days
	Review   Kind = "review" // it is time to look at it again
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

// ending begins the kinds that tell of an end so many days before.
const ending = "ending_"

// Ending returns the kind that tells of an end so many days before it. Which
// days those are is for the policy pack to say; Ending30, Ending7 and Ending1
// are the usual ones.
func Ending(days int) Kind { return Kind(ending + strconv.Itoa(days)) }

// Kinds returns every kind, and of those that Ending makes the usual ones.
func Kinds() []Kind {
	return []Kind{
		Granted, Changed, Stopped, Ended, Paused, Resumed, Held, Released, Slowed,
		Ending30, Ending7, Ending1, Unused, Review, Policy, Owner, Browser,
		PasskeyAdded, PasskeyRemoved, PasskeyCopied, Export, Erase, SharingOff, SharingOn,
	}
}

// Days returns how many days before the end the notice is given, 0 for a kind
// that is not about that.
func (k Kind) Days() int {
	text, ok := strings.CutPrefix(string(k), ending)
	days, err := strconv.Atoi(text)
	if !ok || err != nil || days < 1 || Ending(days) != k {
		return 0
	}
	return days
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
	TopicReview   Topic = "review" // a look back at what is shared
	TopicApp      Topic = "app"    // the app's policy or owner changed
)

// Topics returns every topic, the fixed ones first.
func Topics() []Topic {
	return []Topic{TopicNew, TopicChanged, TopicStopped, TopicHeld, TopicSecurity, TopicRecord, TopicEnding, TopicUnused, TopicReview, TopicApp}
}

// Fixed reports whether mail about the topic is always sent, and at once. An
// unknown topic is fixed.
func (t Topic) Fixed() bool {
	switch t {
	case TopicEnding, TopicUnused, TopicReview, TopicApp:
		return false
	default:
		return true
	}
}

// Topic returns the topic that the kind belongs to. What is unknown belongs to
// TopicSecurity, so that nobody can have switched it off.
func (k Kind) Topic() Topic {
	if k.Days() > 0 {
		return TopicEnding
	}
	switch k {
	case Granted:
		return TopicNew
	case Changed, SharingOff, SharingOn:
		return TopicChanged
	case Stopped:
		return TopicStopped
	case Paused, Resumed, Held, Released, Slowed:
		return TopicHeld
	case Ended:
		return TopicEnding
	case Unused:
		return TopicUnused
	case Review:
		return TopicReview
	case Policy, Owner:
		return TopicApp
	case Export, Erase:
		return TopicRecord
	default:
		return TopicSecurity
	}
}
