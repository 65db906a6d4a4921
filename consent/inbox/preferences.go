package inbox

import (
	"slices"
	"time"
)

// Digest says how mail comes that need not come at once.
type Digest string

// The ways.
const (
	Each    Digest = ""        // each notice in a mail of its own, at once
	Weekly  Digest = "weekly"  // all in one mail every 7 days
	Monthly Digest = "monthly" // all in one mail every 30 days
)

// Every returns the time between two digests; 0 for Each.
func (d Digest) Every() time.Duration {
	switch d {
	case Weekly:
		return 7 * 24 * time.Hour
	case Monthly:
		return 30 * 24 * time.Hour
	default:
		return 0
	}
}

// Preferences say how a person wants to be told. The inbox has everything,
// whatever they say. The zero value is mail about everything, at once, in the
// bank's language.
type Preferences struct {
	Locale string  // of mail, BCP 47; "" is the bank's
	Off    []Topic // the topics that no mail is wanted of
	Digest Digest
}

// Allowed returns the preferences without what nobody can choose: a fixed
// topic is never off, and a way that does not exist is Each.
func (p Preferences) Allowed() Preferences {
	var off []Topic
	for _, t := range Topics() {
		if !t.Fixed() && slices.Contains(p.Off, t) {
			off = append(off, t)
		}
	}
	p.Off = off
	if p.Digest.Every() == 0 {
		p.Digest = Each
	}
	return p
}

// Way is how a notice goes out by mail.
type Way string

// The ways.
const (
	Mailed    Way = "mailed" // in a mail of its own, at once
	Off       Way = "off"    // not at all
	Collected Way = "digest" // in the next digest
)

// Way returns how a notice of a kind goes out.
func (p Preferences) Way(k Kind) Way {
	p = p.Allowed()
	switch {
	case k.Topic().Fixed():
		return Mailed
	case slices.Contains(p.Off, k.Topic()):
		return Off
	case p.Digest != Each:
		return Collected
	default:
		return Mailed
	}
}
