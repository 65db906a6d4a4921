package fdx

import "encoding/json"

// RewardProgram is a program that pays customers back in points, miles or
// money.
type RewardProgram struct {
	// RewardProgramID is always given.
	RewardProgramID RewardProgramID `json:"rewardProgramId,omitzero"`
	ProgramName     string          `json:"programName,omitzero"`
	ProgramURL      string          `json:"programUrl,omitzero"`
	// Memberships are the customer's, one or more.
	Memberships []RewardMembership `json:"memberships,omitempty"`
}

// RewardMembership is a customer's part in a reward program.
type RewardMembership struct {
	// AccountIDs are the accounts that earn, each once.
	AccountIDs         []AccountID        `json:"accountIds,omitempty"`
	CustomerID         CustomerID         `json:"customerId,omitzero"`
	MemberID           RewardMemberID     `json:"memberId,omitzero"`
	MemberNumber       string             `json:"memberNumber,omitzero"`
	MemberTier         string             `json:"memberTier,omitzero"`
	BusinessOrConsumer BusinessOrConsumer `json:"businessOrConsumer,omitzero"`
	Balances           []RewardBalance    `json:"balances,omitempty"`
}

// RewardBalance is what a membership holds, in the unit of Type.
type RewardBalance struct {
	Name    string     `json:"name,omitzero"`
	Type    RewardType `json:"type,omitzero"`
	Balance Decimal    `json:"balance,omitzero"`
	// AccruedYTD and RedeemedYTD count since the year began; never negative.
	AccruedYTD  Decimal `json:"accruedYtd,omitzero"`
	RedeemedYTD Decimal `json:"redeemedYtd,omitzero"`
	// Qualifying is whether the balance counts towards a tier.
	Qualifying *bool `json:"qualifying,omitempty"`
}

// RewardType is the unit of a reward.
type RewardType string

// The units of rewards.
const (
	Cashback RewardType = "CASHBACK"
	Miles    RewardType = "MILES"
	Points   RewardType = "POINTS"
)

// RewardCategory is what a program pays for and how much.
type RewardCategory struct {
	RewardProgramID RewardProgramID  `json:"rewardProgramId,omitzero"`
	CategoryID      RewardCategoryID `json:"categoryId,omitzero"`
	CategoryName    string           `json:"categoryName,omitzero"`
	// Multiplier is the units earned for each major unit spent.
	Multiplier  Decimal `json:"multiplier,omitzero"`
	Description string  `json:"description,omitzero"`
}

// RewardProgramsAnswer is the answer to searchRewardPrograms.
type RewardProgramsAnswer struct {
	Page  PageMetadata `json:"page,omitzero"`
	Links Links        `json:"links,omitzero"`
	// RewardPrograms may be empty, which is [] in the JSON and never null.
	RewardPrograms []RewardProgram `json:"rewardPrograms"`
}

// MarshalJSON writes no list as [].
func (a RewardProgramsAnswer) MarshalJSON() ([]byte, error) {
	type plain RewardProgramsAnswer
	a.RewardPrograms = listed(a.RewardPrograms)
	return json.Marshal(plain(a))
}

// RewardCategoriesAnswer is the answer to getRewardProgramCategories.
type RewardCategoriesAnswer struct {
	Page  PageMetadata `json:"page,omitzero"`
	Links Links        `json:"links,omitzero"`
	// RewardCategories may be empty, which is [] in the JSON and never null.
	RewardCategories []RewardCategory `json:"rewardCategories"`
}

// MarshalJSON writes no list as [].
func (a RewardCategoriesAnswer) MarshalJSON() ([]byte, error) {
	type plain RewardCategoriesAnswer
	a.RewardCategories = listed(a.RewardCategories)
	return json.Marshal(plain(a))
}
