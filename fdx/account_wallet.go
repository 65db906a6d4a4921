package fdx

// DigitalWalletAccount is a stored balance outside a bank account (FDX
// DigitalWallet). Amounts are in major units of Currency.
type DigitalWalletAccount struct {
	AccountDescriptor
	AccountType      DigitalWalletType `json:"accountType,omitzero"`
	CurrentBalance   Decimal           `json:"currentBalance,omitzero"`
	AvailableBalance Decimal           `json:"availableBalance,omitzero"`
	BalanceAsOf      Timestamp         `json:"balanceAsOf,omitzero"`
	// AnnualPercentageYield is in percent.
	AnnualPercentageYield Decimal      `json:"annualPercentageYield,omitzero"`
	EarnedInterest        InterestRate `json:"earnedInterest,omitzero"`
}

// DigitalWalletType is the kind of a digital wallet.
type DigitalWalletType string

// DigitalWallet is the one kind that FDX has.
const DigitalWallet DigitalWalletType = "DIGITALWALLET"
