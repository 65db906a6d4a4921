package fdx

// Capability is the answer to getCapability: what this provider can do.
type Capability struct {
	FDXVersions []Version `json:"fdxVersions,omitempty"`
	// AllowedConnections and ActiveConnections are the caller's.
	AllowedConnections int           `json:"allowedConnections,omitzero"`
	ActiveConnections  int           `json:"activeConnections,omitzero"`
	MessageFormat      MessageFormat `json:"messageFormat,omitzero"`
	Operations         []Operation   `json:"operations,omitempty"`
	// JWKSURL leads to the keys for payload encryption (RFC 7517).
	JWKSURL HateoasLink `json:"jwksUrl,omitzero"`
}

// Operation is what a provider can do with one operation.
type Operation struct {
	ID           OperationID  `json:"id,omitzero"`
	Availability Availability `json:"availability,omitzero"`
	// AlsoSupported are operations that work with this one.
	AlsoSupported []OperationID `json:"alsoSupported,omitempty"`
	Version       string        `json:"version,omitzero"`
	FDXVersions   []Version     `json:"fdxVersions,omitempty"`
	// CutOffTime is when a request counts for the next business day.
	CutOffTime Timestamp   `json:"cutOffTime,omitzero"`
	Link       HateoasLink `json:"link,omitzero"`
}

// MessageFormat is the form of messages.
type MessageFormat string

// JSONFormat is the one form that FDX has.
const JSONFormat MessageFormat = "JSON"
