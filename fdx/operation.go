package fdx

// OperationID names an operation of the FDX API. The list is open: FDX adds
// names with every release.
type OperationID string

// The read operations and the few that go with them.
const (
	AnswerErasureRequest               OperationID = "answerErasureRequest" // an extension
	CreateNotificationSubscription     OperationID = "createNotificationSubscription"
	DeleteNotificationSubscription     OperationID = "deleteNotificationSubscription"
	GetAccount                         OperationID = "getAccount"
	GetAccountAssetTransferNetworks    OperationID = "getAccountAssetTransferNetworks"
	GetAccountContact                  OperationID = "getAccountContact"
	GetAccountPaymentNetworks          OperationID = "getAccountPaymentNetworks"
	GetAccountStatement                OperationID = "getAccountStatement"
	GetAccountTransactionImages        OperationID = "getAccountTransactionImages"
	GetAvailability                    OperationID = "getAvailability"
	GetCapability                      OperationID = "getCapability"
	GetCertificationMetrics            OperationID = "getCertificationMetrics"
	GetConsentGrant                    OperationID = "getConsentGrant"
	GetConsentRevocation               OperationID = "getConsentRevocation"
	GetCustomer                        OperationID = "getCustomer"
	GetCustomerInfo                    OperationID = "getCustomerInfo"
	GetCustomers                       OperationID = "getCustomers"
	GetNotificationSubscription        OperationID = "getNotificationSubscription"
	GetNotifications                   OperationID = "getNotifications"
	GetRewardProgram                   OperationID = "getRewardProgram"
	GetRewardProgramCategories         OperationID = "getRewardProgramCategories"
	GetTermsAndConditions              OperationID = "getTermsAndConditions"
	ListConsentGrants                  OperationID = "listConsentGrants"   // an extension
	ListErasureRequests                OperationID = "listErasureRequests" // an extension
	PublishNotification                OperationID = "publishNotification"
	RevokeConsentGrant                 OperationID = "revokeConsentGrant"
	SearchForAccountRewardTransactions OperationID = "searchForAccountRewardTransactions"
	SearchForAccountStatements         OperationID = "searchForAccountStatements"
	SearchForAccountTransactions       OperationID = "searchForAccountTransactions"
	SearchForAccounts                  OperationID = "searchForAccounts"
	SearchRewardPrograms               OperationID = "searchRewardPrograms"
)

// Version is a release of FDX, such as V5.2 or 6.4.0. The list is open.
type Version string

// V6 is the release whose wire format this package has.
const V6 Version = "6.4.0"

// OperationsQuery holds the parameters of getAvailability,
// getCertificationMetrics and getCapability.
type OperationsQuery struct {
	// OperationID restricts the answer, "" to all operations.
	OperationID OperationID
	// Version restricts a capability, "" to all releases.
	Version Version
	// ResultType tells how much a capability holds.
	ResultType ResultType
}

// maxNameLength bounds an operation id and a version in a query, in bytes.
const maxNameLength = 64

// ParseOperationsQuery reads the parameters of getAvailability,
// getCertificationMetrics and getCapability. Unknown parameters are ignored;
// a known one that is repeated, empty or malformed is ErrInvalidInput. An
// operationId is of ASCII letters, an fdxVersion of ASCII letters, digits and
// points, each of at most 64 bytes; whether there is such an operation or
// release is not checked, because both lists are open.
func ParseOperationsQuery(v Query) (OperationsQuery, *Error) {
	var q OperationsQuery
	id, given, err := single(v, "operationId")
	if err != nil {
		return OperationsQuery{}, err
	}
	if given && !named(id, false) {
		return OperationsQuery{}, ErrInvalidInput.WithDebug("operationId is malformed")
	}
	version, given, err := single(v, "fdxVersion")
	if err != nil {
		return OperationsQuery{}, err
	}
	if given && !named(version, true) {
		return OperationsQuery{}, ErrInvalidInput.WithDebug("fdxVersion is malformed")
	}
	if q.ResultType, err = parseResultType(v); err != nil {
		return OperationsQuery{}, err
	}
	q.OperationID, q.Version = OperationID(id), Version(version)
	return q, nil
}

// named reports whether the text is a name of letters, or also of digits and
// points.
func named(s string, version bool) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		case version && (c >= '0' && c <= '9' || c == '.'):
		default:
			return false
		}
	}
	return s != "" && len(s) <= maxNameLength
}
