package fdx

// Error is a row of the FDX error table: what a refused read answers. As
// JSON it is the error body with code, message and debugMessage; the status
// goes into the HTTP response. The declared values must not be changed; use
// WithDebug for a copy.
type Error struct {
	// Code is the FDX error code. It is a string on the wire.
	Code string `json:"code"`
	// Status is the HTTP status that goes with the code.
	Status int `json:"-"`
	// Message is the fixed text of the row.
	Message string `json:"message"`
	// Debug helps the recipient's developer. It is public: it must not hold
	// request text, personal data or internals.
	Debug string `json:"debugMessage,omitempty"`
}

// The error table. The code 401 goes with HTTP status 400: the code is FDX's
// "invalid input" and has nothing to do with HTTP 401. The code 409 is not in
// the table of FDX, which gives a second revocation the status alone. FDX gives
// the code 501 the status 500; here it is that of a gateway whose bank answered
// wrongly, or too late (RFC 9110 sections 15.6.3 and 15.6.5).
var (
	ErrInvalidInput             = &Error{Code: "401", Status: 400, Message: "Invalid Input"}
	ErrForbidden                = &Error{Code: "403", Status: 403, Message: "Forbidden"}
	ErrConflict                 = &Error{Code: "409", Status: 409, Message: "Conflict"}
	ErrInternal                 = &Error{Code: "500", Status: 500, Message: "Internal server error"}
	ErrSubsystem                = &Error{Code: "501", Status: 502, Message: "Subsystem unavailable"}
	ErrUpstreamTimeout          = &Error{Code: "501", Status: 504, Message: "Subsystem unavailable"}
	ErrMaintenance              = &Error{Code: "503", Status: 503, Message: "Scheduled maintenance"}
	ErrCustomerNotFound         = &Error{Code: "601", Status: 404, Message: "Customer not found"}
	ErrCustomerNotAuthorized    = &Error{Code: "602", Status: 403, Message: "Customer not authorized"}
	ErrAuthentication           = &Error{Code: "603", Status: 401, Message: "Authentication failed"}
	ErrAccountNotFound          = &Error{Code: "701", Status: 404, Message: "Account not found"}
	ErrInvalidDate              = &Error{Code: "702", Status: 400, Message: "Invalid start or end date"}
	ErrInvalidDateRange         = &Error{Code: "703", Status: 400, Message: "Invalid date range"}
	ErrAccountTypeNotSupported  = &Error{Code: "704", Status: 422, Message: "Account type not supported"}
	ErrAccountClosed            = &Error{Code: "705", Status: 409, Message: "Account is closed"}
	ErrAccountLocked            = &Error{Code: "706", Status: 403, Message: "Access forbidden"}
	ErrRewardProgramNotFound    = &Error{Code: "1101", Status: 404, Message: "Reward program not found"}
	ErrRewardCategoriesNotFound = &Error{Code: "1102", Status: 404, Message: "Reward program categories not found"}
	ErrImageNotFound            = &Error{Code: "1103", Status: 404, Message: "Transaction image not found"}
	ErrStatementNotFound        = &Error{Code: "1104", Status: 404, Message: "Statement not found"}
	ErrNotImplemented           = &Error{Code: "1106", Status: 501, Message: "FdxVersion not supported or not implemented"}
	ErrDataNotFound             = &Error{Code: "1107", Status: 404, Message: "Data not found for request parameters"}
	ErrNoStatements             = &Error{Code: "1108", Status: 404, Message: "Statements not found for given account"}
	ErrNotAcceptable            = &Error{Code: "1203", Status: 406, Message: "Content type not supported"}
	ErrMethodNotAllowed         = &Error{Code: "1206", Status: 405, Message: "Method Not Allowed"}
	ErrTooManyRequests          = &Error{Code: "1207", Status: 429, Message: "Too Many Requests"}
	ErrStatementProcessing      = &Error{Code: "1300", Status: 400, Message: "Statement is processing"}
)

// Errors returns the table by ascending code, for documentation. The caller
// owns the slice but not the rows.
func Errors() []*Error {
	return []*Error{
		ErrInvalidInput,
		ErrForbidden,
		ErrConflict,
		ErrInternal,
		ErrSubsystem,
		ErrUpstreamTimeout,
		ErrMaintenance,
		ErrCustomerNotFound,
		ErrCustomerNotAuthorized,
		ErrAuthentication,
		ErrAccountNotFound,
		ErrInvalidDate,
		ErrInvalidDateRange,
		ErrAccountTypeNotSupported,
		ErrAccountClosed,
		ErrAccountLocked,
		ErrRewardProgramNotFound,
		ErrRewardCategoriesNotFound,
		ErrImageNotFound,
		ErrStatementNotFound,
		ErrNotImplemented,
		ErrDataNotFound,
		ErrNoStatements,
		ErrNotAcceptable,
		ErrMethodNotAllowed,
		ErrTooManyRequests,
		ErrStatementProcessing,
	}
}

// Error returns the message, followed by the debug text if any.
func (e *Error) Error() string {
	if e.Debug == "" {
		return e.Message
	}
	return e.Message + ": " + e.Debug
}

// Is reports whether target is the same row, that is, has the same code and
// status, whatever the debug text.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t != nil && e.Code == t.Code && e.Status == t.Status
}

// WithDebug returns a copy that also tells debug, which must be fixed text:
// no request text, no personal data.
func (e *Error) WithDebug(debug string) *Error {
	c := *e
	c.Debug = debug
	return &c
}
