package fdx

import "encoding/json"

// PaymentNetwork is a way to pay into or out of an account (FDX
// AccountPaymentNetwork). The core exchange profile requires BankID,
// Identifier, Type, TransferIn and TransferOut.
type PaymentNetwork struct {
	// BankID is the routing number on the network.
	BankID string `json:"bankId,omitzero"`
	// Identifier is the account number on the network, or a token for it.
	Identifier                string                       `json:"identifier,omitzero"`
	IdentifierType            PaymentNetworkIdentifierType `json:"identifierType,omitzero"`
	Type                      PaymentNetworkType           `json:"type,omitzero"`
	TransferIn                *bool                        `json:"transferIn,omitempty"`
	TransferOut               *bool                        `json:"transferOut,omitempty"`
	SupportsRequestForPayment *bool                        `json:"supportsRequestForPayment,omitempty"`
	TransferLimits            TransferLimits               `json:"transferLimits,omitzero"`
}

// PaymentNetworkIdentifierType tells account numbers from tokens.
type PaymentNetworkIdentifierType string

// The kinds of identifiers.
const (
	AccountNumber          PaymentNetworkIdentifierType = "ACCOUNT_NUMBER"
	TokenizedAccountNumber PaymentNetworkIdentifierType = "TOKENIZED_ACCOUNT_NUMBER"
)

// PaymentNetworkType is a payment network.
type PaymentNetworkType string

// The payment networks.
const (
	CanadaACSS PaymentNetworkType = "CA_ACSS"
	CanadaLVTS PaymentNetworkType = "CA_LVTS"
	ACH        PaymentNetworkType = "US_ACH"
	CHIPS      PaymentNetworkType = "US_CHIPS"
	FedNow     PaymentNetworkType = "US_FEDNOW"
	Fedwire    PaymentNetworkType = "US_FEDWIRE"
	RTP        PaymentNetworkType = "US_RTP"
)

// TransferLimits are the limits of a network in both directions (FDX
// PaymentNetworkTransferLimitsByDirection).
type TransferLimits struct {
	In  TransferLimit `json:"in,omitzero"`
	Out TransferLimit `json:"out,omitzero"`
}

// TransferLimit are the limits of one direction (FDX
// PaymentNetworkTransferLimits).
type TransferLimit struct {
	Day         TimeframeLimit  `json:"day,omitzero"`
	Week        TimeframeLimit  `json:"week,omitzero"`
	Month       TimeframeLimit  `json:"month,omitzero"`
	Year        TimeframeLimit  `json:"year,omitzero"`
	Transaction OccurrenceLimit `json:"transaction,omitzero"`
}

// TimeframeLimit is the limit of a period. Amounts are in major units of the
// account's currency. The counts are pointers because "none remaining" is not
// "not given".
type TimeframeLimit struct {
	ResetsOn                Timestamp `json:"resetsOn,omitzero"`
	TransferMaxAmount       Decimal   `json:"transferMaxAmount,omitzero"`
	TransferRemainingAmount Decimal   `json:"transferRemainingAmount,omitzero"`
	MaxOccurrence           *int      `json:"maxOccurrence,omitempty"`
	RemainingOccurrence     *int      `json:"remainingOccurrence,omitempty"`
}

// OccurrenceLimit is the limit of one transfer, in major units of the
// account's currency.
type OccurrenceLimit struct {
	TransferMaxAmount       Decimal `json:"transferMaxAmount,omitzero"`
	TransferRemainingAmount Decimal `json:"transferRemainingAmount,omitzero"`
}

// PaymentNetworksAnswer is the answer to getAccountPaymentNetworks.
type PaymentNetworksAnswer struct {
	Page  PageMetadata `json:"page,omitzero"`
	Links Links        `json:"links,omitzero"`
	// PaymentNetworks must not be empty: an empty list is ErrDataNotFound.
	PaymentNetworks []PaymentNetwork `json:"paymentNetworks"`
}

// MarshalJSON writes no list as [].
func (a PaymentNetworksAnswer) MarshalJSON() ([]byte, error) {
	type plain PaymentNetworksAnswer
	a.PaymentNetworks = listed(a.PaymentNetworks)
	return json.Marshal(plain(a))
}
