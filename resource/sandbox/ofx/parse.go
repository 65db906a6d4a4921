// Package ofx reads statement files in the Open Financial Exchange format as
// banks let their customers download them: OFX 1.x in SGML and OFX 2.x in XML,
// with checking, savings, credit line, credit card and investment statements.
//
// It owns the reading only. It must not know customers, stores or ids. The
// typed decoding is ofxgo's; before it, a tolerant pass of our own repairs
// what real banks get wrong (missing headers, unclosed and empty elements,
// extensions, mixed case, odd time zones) and finds what cannot be repaired,
// with its line. What a file says is never guessed: a missing date or a
// malformed amount refuses the whole file.
//
// Specs: OFX 1.6 and 2.2.
package ofx

import (
	"io"

	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// Bounds on what one file may hold.
const (
	MaxAccounts     = 1000
	MaxTransactions = 1_000_000
)

// File is what a statement file holds.
type File struct {
	// Accounts has one entry per statement, in the order of the file. Two
	// statements of one account give one entry.
	Accounts []ledger.Account
	// Transactions refer to Accounts by index.
	Transactions []ledger.Transaction
	// Notes says where the file was read with tolerance, for the operator.
	Notes []string
}

// Parse reads a statement file; name is used in faults. It returns a
// ledger.Faults when the file cannot be taken as it is, with every place that
// has to be mended as far as they can be told, and the reader's error when
// reading fails.
func Parse(name string, r io.Reader) (File, error) {
	b, err := readBody(name, r)
	if err != nil {
		return File{}, err
	}
	root, err := parseTree(name, b)
	if err != nil {
		return File{}, err
	}
	c := checker{file: name}
	c.walk(root)
	if err := c.faults.Err(); err != nil {
		return File{}, err
	}
	resp, err := decodeTree(name, root)
	if err != nil {
		return File{}, err
	}
	return convert(name, resp)
}
