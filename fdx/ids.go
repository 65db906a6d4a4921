package fdx

import (
	"errors"
	"unicode"
	"unicode/utf8"
)

// AccountID identifies an account for its whole life, is unique within the
// institution, and is neither the account number nor derived from it. The
// zero value is no account.
type AccountID string

// CustomerID identifies a customer of the institution. The zero value is no
// customer.
type CustomerID string

// TransactionID identifies a transaction within its account. The zero value
// is no transaction.
type TransactionID string

// StatementID identifies a statement within its account. The zero value is no
// statement.
type StatementID string

// ImageID identifies a transaction image within its account. The zero value
// is no image.
type ImageID string

// RewardProgramID identifies a reward program of the institution. The zero
// value is no program.
type RewardProgramID string

// RewardCategoryID identifies a category within its reward program. The zero
// value is no category.
type RewardCategoryID string

// RewardMemberID identifies a membership within its reward program. The zero
// value is no membership.
type RewardMemberID string

// ConsentID identifies a consent grant. The zero value is no consent.
type ConsentID string

// SubscriptionID identifies a notification subscription. The zero value is no
// subscription.
type SubscriptionID string

// NotificationID identifies a notification for ever: a recipient that sees it
// a second time drops it. The zero value is no notification.
type NotificationID string

// MaxIDLength is the longest identifier, in characters (FDX Identifier).
const MaxIDLength = 256

// ErrInvalidID is returned for text that cannot be an FDX Identifier: empty,
// longer than MaxIDLength characters, not UTF-8, or with control characters.
var ErrInvalidID = errors.New("identifier is not 1 to 256 characters without control characters")

// ParseAccountID checks text from outside. It returns ErrInvalidID.
func ParseAccountID(s string) (AccountID, error) {
	return parseID[AccountID](s)
}

// ParseCustomerID checks text from outside. It returns ErrInvalidID.
func ParseCustomerID(s string) (CustomerID, error) {
	return parseID[CustomerID](s)
}

// ParseTransactionID checks text from outside. It returns ErrInvalidID.
func ParseTransactionID(s string) (TransactionID, error) {
	return parseID[TransactionID](s)
}

// ParseStatementID checks text from outside. It returns ErrInvalidID.
func ParseStatementID(s string) (StatementID, error) {
	return parseID[StatementID](s)
}

// ParseImageID checks text from outside. It returns ErrInvalidID.
func ParseImageID(s string) (ImageID, error) {
	return parseID[ImageID](s)
}

// ParseRewardProgramID checks text from outside. It returns ErrInvalidID.
func ParseRewardProgramID(s string) (RewardProgramID, error) {
	return parseID[RewardProgramID](s)
}

// ParseConsentID checks text from outside. It returns ErrInvalidID.
func ParseConsentID(s string) (ConsentID, error) {
	return parseID[ConsentID](s)
}

// ParseSubscriptionID checks text from outside. It returns ErrInvalidID.
func ParseSubscriptionID(s string) (SubscriptionID, error) {
	return parseID[SubscriptionID](s)
}

func parseID[ID ~string](s string) (ID, error) {
	// The byte bound comes first so that a huge input is not walked.
	if s == "" || len(s) > MaxIDLength*utf8.UTFMax || !utf8.ValidString(s) {
		return "", ErrInvalidID
	}
	n := 0
	for _, r := range s {
		n++
		if unicode.IsControl(r) {
			return "", ErrInvalidID
		}
	}
	if n > MaxIDLength {
		return "", ErrInvalidID
	}
	return ID(s), nil
}
