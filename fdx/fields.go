package fdx

// This file enforces: a field leaves only if a granted cluster covers it.

// fieldClusters is the one map from a field to the clusters any of which lets
// it through. The key is the Go type and the JSON name. A field without a row
// never leaves. A field inside another entity needs a row of its own besides
// that of the field that holds it.
//
// FDX publishes no such table outside its membership, so the split is this
// product's reading of what each cluster is for; docs list it from here.
var fieldClusters = func() map[string]Clusters {
	var (
		basic     = NewClusters(AccountBasic)
		detailed  = NewClusters(AccountDetailed)
		balance   = NewClusters(AccountDetailed, Balances)
		payment   = NewClusters(AccountDetailed, Bills)
		bill      = NewClusters(Bills)
		scheduled = NewClusters(ScheduledPayments)
		holding   = NewClusters(Investments)
		booking   = NewClusters(Transactions)
		image     = NewClusters(Images)
		reward    = NewClusters(Rewards)
		statement = NewClusters(Statements)
		support   = NewClusters(PaymentSupport)
		contact   = NewClusters(CustomerContact)
		personal  = NewClusters(CustomerPersonal)
		taxID     = NewClusters(CustomerPersonal, SocialSecurityNumber)
		anyPart   = accountNeeds
		anyone    = customerNeeds
		// Entities that several others hold: the row of what holds them
		// decides, and these must not be in its way.
		link   = statement.Union(image).Union(contact)
		person = contact.Union(booking)
	)
	return map[string]Clusters{
		"AccountDescriptor.accountId":            anyPart,
		"AccountDescriptor.currency":             anyPart,
		"AccountDescriptor.accountNumberDisplay": basic,
		"AccountDescriptor.productName":          basic,
		"AccountDescriptor.productId":            basic,
		"AccountDescriptor.nickname":             basic,
		"AccountDescriptor.status":               basic,
		"AccountDescriptor.description":          basic,
		"AccountDescriptor.error":                anyPart,
		"Currency.currencyCode":                  anyPart,

		"AccountError.code":    anyPart,
		"AccountError.message": anyPart,

		"DepositAccount.accountType":               basic,
		"DepositAccount.currentBalance":            balance,
		"DepositAccount.availableBalance":          balance,
		"DepositAccount.balanceAsOf":               balance,
		"DepositAccount.openingDayBalance":         balance,
		"DepositAccount.overdraftFundingSources":   detailed,
		"DepositAccount.earnedInterest":            detailed,
		"DepositAccount.underArbitration":          detailed,
		"DepositAccount.overdraftOptIn":            detailed,
		"DepositAccount.overdrafted":               detailed,
		"DepositAccount.overdraftProtectionFunded": detailed,

		"FundingSource.accountType":     detailed,
		"FundingSource.institutionName": detailed,

		"InterestRate.rate":              detailed,
		"InterestRate.rateAsOf":          detailed,
		"InterestRate.compoundingPeriod": detailed,
		"InterestRate.priorRate":         detailed,
		"InterestRate.type":              detailed,
		"InterestRate.index":             detailed,

		"LineOfCreditAccount.accountType":          basic,
		"LineOfCreditAccount.creditLine":           detailed,
		"LineOfCreditAccount.availableCredit":      balance,
		"LineOfCreditAccount.currentBalance":       balance,
		"LineOfCreditAccount.principalBalance":     balance,
		"LineOfCreditAccount.cashAdvanceBalance":   balance,
		"LineOfCreditAccount.transferBalance":      balance,
		"LineOfCreditAccount.balanceAsOf":          balance,
		"LineOfCreditAccount.nextPaymentAmount":    payment,
		"LineOfCreditAccount.nextPaymentDate":      payment,
		"LineOfCreditAccount.lastPaymentAmount":    payment,
		"LineOfCreditAccount.lastPaymentDate":      payment,
		"LineOfCreditAccount.minimumPaymentAmount": bill,
		"LineOfCreditAccount.pastDueAmount":        bill,
		"LineOfCreditAccount.lastStmtBalance":      bill,
		"LineOfCreditAccount.lastStmtDate":         bill,
		"LineOfCreditAccount.purchasesApr":         detailed,
		"LineOfCreditAccount.advancesApr":          detailed,
		"LineOfCreditAccount.transfersApr":         detailed,
		"LineOfCreditAccount.balanceTransfersApr":  detailed,
		"LineOfCreditAccount.ppilApr":              detailed,
		"LineOfCreditAccount.targetRateSaleApr":    detailed,
		"LineOfCreditAccount.feeSchedule":          detailed,
		"LineOfCreditAccount.ppilBalance":          balance,
		"LineOfCreditAccount.chargedInterest":      detailed,
		"LineOfCreditAccount.underArbitration":     detailed,
		"LineOfCreditAccount.bills":                bill,
		"LineOfCreditAccount.scheduledPayments":    scheduled,

		"Bill.totalPaymentDue":   bill,
		"Bill.minimumPaymentDue": bill,
		"Bill.dueDate":           bill,
		"Bill.autoPayEnabled":    bill,
		"Bill.autoPayAmount":     bill,
		"Bill.autoPayDate":       bill,
		"Bill.pastDueAmount":     bill,
		"Bill.lastPaymentAmount": bill,
		"Bill.lastPaymentDate":   bill,
		"Bill.statementBalance":  bill,
		"Bill.statementDate":     bill,

		"ScheduledPayment.amount":         scheduled,
		"ScheduledPayment.date":           scheduled,
		"ScheduledPayment.type":           scheduled,
		"ScheduledPayment.payToPrincipal": scheduled,

		"LoanAccount.accountType":            basic,
		"LoanAccount.principalBalance":       balance,
		"LoanAccount.escrowBalance":          balance,
		"LoanAccount.balanceAsOf":            balance,
		"LoanAccount.originalPrincipal":      detailed,
		"LoanAccount.originatingDate":        detailed,
		"LoanAccount.maturityDate":           detailed,
		"LoanAccount.loanTerm":               detailed,
		"LoanAccount.interestRate":           detailed,
		"LoanAccount.interestRateType":       detailed,
		"LoanAccount.annualPercentageRate":   detailed,
		"LoanAccount.chargedInterest":        detailed,
		"LoanAccount.interestPaidYearToDate": detailed,
		"LoanAccount.nextPaymentAmount":      payment,
		"LoanAccount.nextPaymentDate":        payment,
		"LoanAccount.lastPaymentAmount":      payment,
		"LoanAccount.lastPaymentDate":        payment,
		"LoanAccount.loanProviderName":       detailed,
		"LoanAccount.currentSchool":          detailed,

		"InvestmentAccount.accountType":          basic,
		"InvestmentAccount.availableCashBalance": balance,
		"InvestmentAccount.currentValue":         balance,
		"InvestmentAccount.balanceAsOf":          balance,
		"InvestmentAccount.earnedInterest":       detailed,
		"InvestmentAccount.holdings":             holding,

		"Holding.securityIds":          holding,
		"Holding.holdingName":          holding,
		"Holding.holdingType":          holding,
		"Holding.holdingSubType":       holding,
		"Holding.symbol":               holding,
		"Holding.purchasedPrice":       holding,
		"Holding.currentUnitPrice":     holding,
		"Holding.currentUnitPriceDate": holding,
		"Holding.units":                holding,
		"Holding.marketValue":          holding,
		"Holding.faceValue":            holding,
		"Holding.cashAccount":          holding,
		"Holding.currency":             holding,
		"Holding.taxLots":              holding,

		"SecurityID.id":     holding,
		"SecurityID.idType": holding,

		"TaxLot.originalPurchaseDate": holding,
		"TaxLot.quantity":             holding,
		"TaxLot.purchasedPrice":       holding,
		"TaxLot.costBasis":            holding,
		"TaxLot.currentValue":         holding,
		"TaxLot.positionType":         holding,

		"AnnuityAccount.accountType":            basic,
		"AnnuityAccount.policyProductType":      detailed,
		"AnnuityAccount.payoutType":             detailed,
		"AnnuityAccount.periodCertainType":      detailed,
		"AnnuityAccount.payoutMode":             detailed,
		"AnnuityAccount.payoutAmount":           detailed,
		"AnnuityAccount.payoutStartDate":        detailed,
		"AnnuityAccount.payoutEndDate":          detailed,
		"AnnuityAccount.numberModalPayouts":     detailed,
		"AnnuityAccount.payoutChangeAmount":     detailed,
		"AnnuityAccount.payoutChangePercentage": detailed,
		"AnnuityAccount.surrenderValue":         detailed,

		"InsuranceAccount.accountType":          basic,
		"InsuranceAccount.policyStatus":         detailed,
		"InsuranceAccount.policyPremium":        detailed,
		"InsuranceAccount.policyPremiumTerm":    detailed,
		"InsuranceAccount.policyStartDate":      detailed,
		"InsuranceAccount.policyEndDate":        detailed,
		"InsuranceAccount.policyCoverageAmount": detailed,
		"InsuranceAccount.bills":                bill,

		"CommercialAccount.accountType": basic,

		"DigitalWalletAccount.accountType":           basic,
		"DigitalWalletAccount.currentBalance":        balance,
		"DigitalWalletAccount.availableBalance":      balance,
		"DigitalWalletAccount.balanceAsOf":           balance,
		"DigitalWalletAccount.annualPercentageYield": detailed,
		"DigitalWalletAccount.earnedInterest":        detailed,

		"BuyNowPayLaterAccount.accountType":      basic,
		"BuyNowPayLaterAccount.creditLine":       detailed,
		"BuyNowPayLaterAccount.availableCredit":  balance,
		"BuyNowPayLaterAccount.currentBalance":   balance,
		"BuyNowPayLaterAccount.principalBalance": balance,
		"BuyNowPayLaterAccount.balanceAsOf":      balance,
		"BuyNowPayLaterAccount.financeCharges":   detailed,

		"TransactionBase.transactionId":          booking,
		"TransactionBase.referenceTransactionId": booking,
		"TransactionBase.transactionTimestamp":   booking,
		"TransactionBase.postedTimestamp":        booking,
		"TransactionBase.description":            booking,
		"TransactionBase.debitCreditMemo":        booking,
		"TransactionBase.status":                 booking,
		"TransactionBase.amount":                 booking,
		"TransactionBase.foreignAmount":          booking,
		"TransactionBase.foreignCurrency":        booking,
		"TransactionBase.category":               booking,
		"TransactionBase.subCategory":            booking,
		"TransactionBase.cardNumberDisplay":      booking,
		"TransactionBase.memo":                   booking,
		"TransactionBase.reference":              booking,
		"TransactionBase.transactionPayee":       booking,
		"TransactionBase.lineItem":               booking,
		"TransactionBase.reward":                 reward,
		"TransactionBase.imageIds":               image,
		"TransactionBase.links":                  image,

		"TransactionPayee.merchantName":   booking,
		"TransactionPayee.merchantId":     booking,
		"TransactionPayee.individualName": booking,
		"TransactionPayee.address":        booking,
		"TransactionPayee.phone":          booking,

		"LineItem.description": booking,
		"LineItem.amount":      booking,
		"LineItem.checkNumber": booking,
		"LineItem.memo":        booking,
		"LineItem.reference":   booking,
		"LineItem.imageIds":    image,
		"LineItem.links":       image,

		"TransactionReward.categoryId": reward,
		"TransactionReward.accrued":    reward,
		"TransactionReward.adjusted":   reward,

		"DepositTransaction.payee":       booking,
		"DepositTransaction.checkNumber": booking,

		"LineOfCreditTransaction.transactionType": booking,
		"LineOfCreditTransaction.checkNumber":     booking,

		"LoanTransaction.transactionType": booking,

		"InvestmentTransaction.transactionType": booking,
		"InvestmentTransaction.fees":            booking,
		"InvestmentTransaction.commission":      booking,
		"InvestmentTransaction.securityId":      holding,
		"InvestmentTransaction.securityIdType":  holding,
		"InvestmentTransaction.securityType":    holding,
		"InvestmentTransaction.symbol":          holding,
		"InvestmentTransaction.unitPrice":       holding,
		"InvestmentTransaction.units":           holding,
		"InvestmentTransaction.unitType":        holding,

		"InsuranceTransaction.transactionType": booking,

		"CommercialTransaction.immediateAvailableBalance":   booking,
		"CommercialTransaction.nextDayAvailableBalance":     booking,
		"CommercialTransaction.twoDaysPlusAvailableBalance": booking,
		"CommercialTransaction.referenceBankId":             booking,
		"CommercialTransaction.referenceBranchId":           booking,
		"CommercialTransaction.referenceCustomerId":         booking,

		"DigitalWalletTransaction.payee": booking,

		"AccountContact.holders":    contact,
		"AccountContact.emails":     contact,
		"AccountContact.addresses":  contact,
		"AccountContact.telephones": contact,

		"AccountHolder.type":             contact,
		"AccountHolder.name":             contact,
		"AccountHolder.businessCustomer": contact,
		"AccountHolder.relationship":     contact,

		"IndividualName.first":  person,
		"IndividualName.middle": person,
		"IndividualName.last":   person,
		"IndividualName.suffix": person,

		"CustomerName.prefix": person,

		"BusinessCustomer.name":             contact,
		"BusinessCustomer.registeredAgents": contact,
		"BusinessCustomer.registeredId":     personal,
		"BusinessCustomer.industryCode":     contact,
		"BusinessCustomer.domicile":         contact,

		"IndustryCode.type": contact,
		"IndustryCode.code": contact,

		"Domicile.region":  contact,
		"Domicile.country": contact,

		"Address.line1":      person,
		"Address.line2":      person,
		"Address.line3":      person,
		"Address.city":       person,
		"Address.region":     person,
		"Address.postalCode": person,
		"Address.country":    person,

		"DeliveryAddress.type":    contact,
		"DeliveryAddress.primary": contact,

		"TelephoneNumber.type":    person,
		"TelephoneNumber.country": person,
		"TelephoneNumber.number":  person,
		"TelephoneNumber.network": person,
		"TelephoneNumber.primary": person,

		"Customer.customerId":       anyone,
		"Customer.type":             contact,
		"Customer.name":             contact,
		"Customer.businessCustomer": contact,
		"Customer.emails":           contact,
		"Customer.addresses":        contact,
		"Customer.telephones":       contact,
		"Customer.dateOfBirth":      personal,
		"Customer.taxId":            taxID,
		"Customer.taxIdCountry":     taxID,
		"Customer.governmentId":     personal,
		"Customer.accounts":         contact,

		"CustomerAccount.accountId":    contact,
		"CustomerAccount.relationship": contact,
		"CustomerAccount.links":        contact,

		"PaymentNetwork.bankId":                    support,
		"PaymentNetwork.identifier":                support,
		"PaymentNetwork.identifierType":            support,
		"PaymentNetwork.type":                      support,
		"PaymentNetwork.transferIn":                support,
		"PaymentNetwork.transferOut":               support,
		"PaymentNetwork.supportsRequestForPayment": support,
		"PaymentNetwork.transferLimits":            support,

		"TransferLimits.in":  support,
		"TransferLimits.out": support,

		"TransferLimit.day":         support,
		"TransferLimit.week":        support,
		"TransferLimit.month":       support,
		"TransferLimit.year":        support,
		"TransferLimit.transaction": support,

		"TimeframeLimit.resetsOn":                support,
		"TimeframeLimit.transferMaxAmount":       support,
		"TimeframeLimit.transferRemainingAmount": support,
		"TimeframeLimit.maxOccurrence":           support,
		"TimeframeLimit.remainingOccurrence":     support,

		"OccurrenceLimit.transferMaxAmount":       support,
		"OccurrenceLimit.transferRemainingAmount": support,

		"AssetTransferNetwork.identifier":      support,
		"AssetTransferNetwork.identifierType":  support,
		"AssetTransferNetwork.institutionName": support,
		"AssetTransferNetwork.institutionId":   support,
		"AssetTransferNetwork.type":            support,
		"AssetTransferNetwork.jointAccount":    support,

		"Statement.accountId":     statement,
		"Statement.statementId":   statement,
		"Statement.statementDate": statement,
		"Statement.description":   statement,
		"Statement.status":        statement,
		"Statement.links":         statement,

		"RewardProgram.rewardProgramId": reward,
		"RewardProgram.programName":     reward,
		"RewardProgram.programUrl":      reward,
		"RewardProgram.memberships":     reward,

		"RewardMembership.accountIds":         reward,
		"RewardMembership.customerId":         anyone,
		"RewardMembership.memberId":           reward,
		"RewardMembership.memberNumber":       reward,
		"RewardMembership.memberTier":         reward,
		"RewardMembership.businessOrConsumer": reward,
		"RewardMembership.balances":           reward,

		"RewardBalance.name":        reward,
		"RewardBalance.type":        reward,
		"RewardBalance.balance":     reward,
		"RewardBalance.accruedYtd":  reward,
		"RewardBalance.redeemedYtd": reward,
		"RewardBalance.qualifying":  reward,

		"RewardCategory.rewardProgramId": reward,
		"RewardCategory.categoryId":      reward,
		"RewardCategory.categoryName":    reward,
		"RewardCategory.multiplier":      reward,
		"RewardCategory.description":     reward,

		"HateoasLink.href":   link,
		"HateoasLink.action": link,
		"HateoasLink.rel":    link,
		"HateoasLink.types":  link,
	}
}()

// What a family needs at least. Without any of these clusters nothing of it
// leaves. For transactions this is a rule of its own, because some of their
// rows name other clusters; for the rest it follows from the rows.
var (
	// Without its id and its currency no part of an account can be read, so
	// they go with every cluster that shows one.
	accountNeeds     = NewClusters(AccountBasic, AccountDetailed, Balances, Bills, Investments, ScheduledPayments)
	transactionNeeds = NewClusters(Transactions)
	contactNeeds     = NewClusters(CustomerContact)
	customerNeeds    = NewClusters(CustomerContact, CustomerPersonal, SocialSecurityNumber)
	networkNeeds     = NewClusters(PaymentSupport)
	statementNeeds   = NewClusters(Statements)
	rewardNeeds      = NewClusters(Rewards)
)
