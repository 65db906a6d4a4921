package fdx

import "encoding/json"

// AssetTransferNetwork is a way to move securities into or out of an account.
// The core exchange profile requires Identifier, InstitutionID and Type.
type AssetTransferNetwork struct {
	// Identifier is the account number on the network, or a token for it.
	Identifier      string                       `json:"identifier,omitzero"`
	IdentifierType  PaymentNetworkIdentifierType `json:"identifierType,omitzero"`
	InstitutionName string                       `json:"institutionName,omitzero"`
	// InstitutionID is the institution's number on the network.
	InstitutionID string            `json:"institutionId,omitzero"`
	Type          AssetTransferType `json:"type,omitzero"`
	JointAccount  *bool             `json:"jointAccount,omitempty"`
}

// AssetTransferType is a network for securities.
type AssetTransferType string

// The networks for securities.
const (
	ATON  AssetTransferType = "CA_ATON"
	ACATS AssetTransferType = "US_ACATS"
	DTC   AssetTransferType = "US_DTC"
)

// AssetTransferNetworksAnswer is the answer to
// getAccountAssetTransferNetworks.
type AssetTransferNetworksAnswer struct {
	Page  PageMetadata `json:"page,omitzero"`
	Links Links        `json:"links,omitzero"`
	// AssetTransferNetworks may be empty, which is [] in the JSON and never
	// null.
	AssetTransferNetworks []AssetTransferNetwork `json:"assetTransferNetworks"`
}

// MarshalJSON writes no list as [].
func (a AssetTransferNetworksAnswer) MarshalJSON() ([]byte, error) {
	type plain AssetTransferNetworksAnswer
	a.AssetTransferNetworks = listed(a.AssetTransferNetworks)
	return json.Marshal(plain(a))
}
