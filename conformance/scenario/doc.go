// Package scenario reads conformance cases that are written as stories: text
// files that a person can follow, one step per line. When a step goes wrong,
// the report names its line.
//
// A story begins with its headers, then come a blank line and the steps. What
// a step needs as a file stands at the end, in the form of txtar:
//
//	title: an app that was stopped reads nothing
//	spec: FDX API 6, consent
//	mend: look at the grant on every read
//	needs: resource revocation
//
//	# An app is given a consent, and reads.
//	consent her by A asking balances.json
//	read her /accounts
//	expect 200
//
//	# It gives the consent back.
//	give-back her
//	expect 200
//	read her /accounts
//	expect 401 challenge=invalid_token
//
//	-- balances.json --
//	{"clusters": ["ACCOUNT_BASIC", "BALANCES"]}
//
// The steps are listed in steps.go. It owns the language and the stories; it
// must not know how a step is done, which is package suite's.
package scenario
