package fdx_test

import (
	"encoding/json"
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
	for len(answer.Transactions) < fdx.MaxLimit {
		answer.Transactions = append(answer.Transactions, transactions(b)[0])
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(answer); err != nil {
			b.Fatal(err)
		}
	}
}
