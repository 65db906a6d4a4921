package fdx

// AccountContact is the answer to getAccountContact: who holds an account and
// how to reach the holders. It covers all holders, whoever consented. The
// core exchange profile wants at least one entry in each list.
type AccountContact struct {
	Holders    []AccountHolder   `json:"holders,omitempty"`
	Emails     []string          `json:"emails,omitempty"`
	Addresses  []DeliveryAddress `json:"addresses,omitempty"`
	Telephones []TelephoneNumber `json:"telephones,omitempty"`
}

// AccountHolder is a person or a business with a part in an account.
type AccountHolder struct {
	Type BusinessOrConsumer `json:"type,omitzero"`
	// Name is that of a consumer, BusinessCustomer that of a business.
	Name             CustomerName              `json:"name,omitzero"`
	BusinessCustomer BusinessCustomer          `json:"businessCustomer,omitzero"`
	Relationship     AccountHolderRelationship `json:"relationship,omitzero"`
}

// BusinessOrConsumer tells businesses from consumers.
type BusinessOrConsumer string

// The kinds of customers.
const (
	Business BusinessOrConsumer = "BUSINESS"
	Consumer BusinessOrConsumer = "CONSUMER"
)

// IndividualName is the name of a person.
type IndividualName struct {
	// First and Last are always given.
	First  string `json:"first,omitzero"`
	Middle string `json:"middle,omitzero"`
	Last   string `json:"last,omitzero"`
	// Suffix is such as Jr.
	Suffix string `json:"suffix,omitzero"`
}

// CustomerName is the name of a customer who is a person.
type CustomerName struct {
	IndividualName
	// Prefix is such as Dr.
	Prefix string `json:"prefix,omitzero"`
}

// BusinessCustomer is a customer that is a business.
type BusinessCustomer struct {
	Name             string         `json:"name,omitzero"`
	RegisteredAgents []CustomerName `json:"registeredAgents,omitempty"`
	// RegisteredID is the number in the register of companies.
	RegisteredID string       `json:"registeredId,omitzero"`
	IndustryCode IndustryCode `json:"industryCode,omitzero"`
	Domicile     Domicile     `json:"domicile,omitzero"`
}

// IndustryCode is what a business does.
type IndustryCode struct {
	Type IndustryClassificationSystem `json:"type,omitzero"`
	Code string                       `json:"code,omitzero"`
}

// IndustryClassificationSystem is a numbering scheme of industries.
type IndustryClassificationSystem string

// The numbering schemes of industries.
const (
	BCLASS        IndustryClassificationSystem = "BCLASS"
	BICS          IndustryClassificationSystem = "BICS"
	GICS          IndustryClassificationSystem = "GICS"
	MOODYS        IndustryClassificationSystem = "MOODYS"
	NAICS         IndustryClassificationSystem = "NAICS"
	OtherIndustry IndustryClassificationSystem = "OTHER"
	SIC           IndustryClassificationSystem = "SIC"
)

// Domicile is where a business is registered.
type Domicile struct {
	Region string `json:"region,omitzero"`
	// Country is an ISO 3166-1 alpha-2 code.
	Country string `json:"country,omitzero"`
}

// Address is a postal address. Lines, city and region have at most 64
// characters, the postal code at most 10.
type Address struct {
	// Line1, City and Country are always given.
	Line1      string `json:"line1,omitzero"`
	Line2      string `json:"line2,omitzero"`
	Line3      string `json:"line3,omitzero"`
	City       string `json:"city,omitzero"`
	Region     string `json:"region,omitzero"`
	PostalCode string `json:"postalCode,omitzero"`
	// Country is an ISO 3166-1 alpha-2 code.
	Country string `json:"country,omitzero"`
}

// DeliveryAddress is a postal address of a customer.
type DeliveryAddress struct {
	Address
	Type    DeliveryAddressType `json:"type,omitzero"`
	Primary *bool               `json:"primary,omitempty"`
}

// DeliveryAddressType is what an address is used for.
type DeliveryAddressType string

// The uses of addresses.
const (
	BusinessAddress DeliveryAddressType = "BUSINESS"
	ParcelAddress   DeliveryAddressType = "DELIVERY"
	HomeAddress     DeliveryAddressType = "HOME"
	MailingAddress  DeliveryAddressType = "MAILING"
)

// TelephoneNumber is a telephone number. Type and Number are always given.
type TelephoneNumber struct {
	Type TelephoneNumberPurpose `json:"type,omitzero"`
	// Country is a calling code, with or without a plus sign.
	Country string `json:"country,omitzero"`
	// Number is at most 15 digits.
	Number  string           `json:"number,omitzero"`
	Network TelephoneNetwork `json:"network,omitzero"`
	Primary *bool            `json:"primary,omitempty"`
}

// TelephoneNumberPurpose is what a telephone number is used for.
type TelephoneNumberPurpose string

// The uses of telephone numbers.
const (
	TelephoneBoth     TelephoneNumberPurpose = "BOTH"
	TelephoneBusiness TelephoneNumberPurpose = "BUSINESS"
	TelephoneCell     TelephoneNumberPurpose = "CELL"
	TelephoneFax      TelephoneNumberPurpose = "FAX"
	TelephoneHome     TelephoneNumberPurpose = "HOME"
	TelephonePersonal TelephoneNumberPurpose = "PERSONAL"
)

// TelephoneNetwork is the kind of network behind a telephone number.
type TelephoneNetwork string

// The kinds of telephone networks.
const (
	Cellular  TelephoneNetwork = "CELLULAR"
	Landline  TelephoneNetwork = "LANDLINE"
	Pager     TelephoneNetwork = "PAGER"
	Satellite TelephoneNetwork = "SATELLITE"
	VoIP      TelephoneNetwork = "VOIP"
)

// AccountHolderRelationship is the part a customer has in an account.
type AccountHolderRelationship string

// The parts customers have in accounts.
const (
	AuthorizedSigner                     AccountHolderRelationship = "AUTHORIZED_SIGNER"
	AuthorizedUser                       AccountHolderRelationship = "AUTHORIZED_USER"
	BusinessHolder                       AccountHolderRelationship = "BUSINESS"
	ForBenefitOf                         AccountHolderRelationship = "FOR_BENEFIT_OF"
	ForBenefitOfPrimary                  AccountHolderRelationship = "FOR_BENEFIT_OF_PRIMARY"
	ForBenefitOfPrimaryJointRestricted   AccountHolderRelationship = "FOR_BENEFIT_OF_PRIMARY_JOINT_RESTRICTED"
	ForBenefitOfSecondary                AccountHolderRelationship = "FOR_BENEFIT_OF_SECONDARY"
	ForBenefitOfSecondaryJointRestricted AccountHolderRelationship = "FOR_BENEFIT_OF_SECONDARY_JOINT_RESTRICTED"
	ForBenefitOfSoleOwnerRestricted      AccountHolderRelationship = "FOR_BENEFIT_OF_SOLE_OWNER_RESTRICTED"
	PowerOfAttorney                      AccountHolderRelationship = "POWER_OF_ATTORNEY"
	Primary                              AccountHolderRelationship = "PRIMARY"
	PrimaryBorrower                      AccountHolderRelationship = "PRIMARY_BORROWER"
	PrimaryJoint                         AccountHolderRelationship = "PRIMARY_JOINT"
	PrimaryJointTenants                  AccountHolderRelationship = "PRIMARY_JOINT_TENANTS"
	Secondary                            AccountHolderRelationship = "SECONDARY"
	SecondaryBorrower                    AccountHolderRelationship = "SECONDARY_BORROWER"
	SecondaryJoint                       AccountHolderRelationship = "SECONDARY_JOINT"
	SecondaryJointTenants                AccountHolderRelationship = "SECONDARY_JOINT_TENANTS"
	SoleOwner                            AccountHolderRelationship = "SOLE_OWNER"
	Trustee                              AccountHolderRelationship = "TRUSTEE"
	UniformTransferToMinor               AccountHolderRelationship = "UNIFORM_TRANSFER_TO_MINOR"
)
