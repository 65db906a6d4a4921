package fdx_test

import (
	"bytes"
	"testing"

	"github.com/headgate/headgate/fdx"
)

func BenchmarkFilterAccount(b *testing.B) {
	a := accounts(b)["account_loc.json"]
	allowed := fdx.NewClusters(fdx.AccountDetailed)
	b.ReportAllocs()
	for b.Loop() {
		fdx.FilterAccount(&a, allowed)
	}
}

func BenchmarkFilterTransaction(b *testing.B) {
	tx := transactions(b)[0]
	allowed := fdx.NewClusters(fdx.Transactions)
	b.ReportAllocs()
	for b.Loop() {
		fdx.FilterTransaction(&tx, allowed)
	}
}

func BenchmarkMarshalLargestPage(b *testing.B) {
	answer := fdx.TransactionsAnswer{}
	// What a bank knows of a usual booking: no parts, images, reward, payee.
	usual := func() fdx.Transaction {
		tx := transactions(b)[0]
		tx.Deposit.TransactionPayee, tx.Deposit.LineItems, tx.Deposit.Reward = nil, nil, fdx.TransactionReward{}
		tx.Deposit.ImageIDs, tx.Deposit.Links, tx.Deposit.Memo, tx.Deposit.Reference = nil, nil, "", ""
		return tx
	}
	for len(answer.Transactions) < fdx.MaxLimit {
		answer.Transactions = append(answer.Transactions, usual())
	}
	var body bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		body.Reset()
		if err := answer.WriteJSON(&body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(body.Len()), "JSON-B/op")
}
