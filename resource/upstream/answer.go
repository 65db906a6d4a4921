package upstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource/mapping"
)

// record is one thing in an answer of the bank, in one of two forms.
type record struct {
	fdx    json.RawMessage // of a bank that speaks FDX
	mapped mapping.Source  // of one that does not
	// owner is the account that the record itself says to be of; "" when it
	// says nothing.
	owner string
}

// answer is the body of a list, taken apart.
type answer struct {
	records []record
	next    string // the bank's key of the next page
}

// records takes the answer to op, a list, apart.
func (p *Provider) records(op fdx.OperationID, body []byte) (answer, error) {
	if p.mapped != nil {
		return p.mapped.list(op, body)
	}
	members, err := object(body)
	if err != nil {
		return answer{}, err
	}
	var elements []json.RawMessage
	if err := decode(members[lists()[op]], &elements); err != nil || elements == nil {
		return answer{}, wrong("the list " + lists()[op] + " is missing")
	}
	a := answer{records: make([]record, len(elements))}
	for i, element := range elements {
		if a.records[i], err = fdxRecord(element); err != nil {
			return answer{}, err
		}
	}
	var page struct{ NextPageKey, NextOffset json.RawMessage }
	if raw, ok := members["page"]; ok {
		if err := decode(raw, &page); err != nil {
			return answer{}, err
		}
	}
	for _, key := range []json.RawMessage{page.NextOffset, page.NextPageKey} {
		text, ok := scalar(key)
		if !ok {
			return answer{}, wrong("the key of the next page is no text")
		}
		if text != "" {
			a.next = text
		}
	}
	if a.next == "" && p.paging.Style == PageKeys {
		a.next, err = p.linked(members["links"])
	}
	return a, err
}

// linked returns the key in the link to the next page, for a bank that gives
// no other. To overlook one would end a list early.
func (p *Provider) linked(data json.RawMessage) (string, error) {
	var links struct{ Next struct{ Href string } }
	if len(data) == 0 || json.Unmarshal(data, &links) != nil || links.Next.Href == "" {
		return "", nil
	}
	u, err := url.Parse(links.Next.Href)
	if err != nil || u.Query().Get(p.paging.Position) == "" {
		return "", wrong("a link to a next page without its key")
	}
	return u.Query().Get(p.paging.Position), nil
}

// lists returns where FDX has the records of a list.
func lists() map[fdx.OperationID]string {
	return map[fdx.OperationID]string{
		fdx.SearchForAccounts:               "accounts",
		fdx.SearchForAccountTransactions:    "transactions",
		fdx.SearchForAccountStatements:      "statements",
		fdx.GetAccountPaymentNetworks:       "paymentNetworks",
		fdx.GetAccountAssetTransferNetworks: "assetTransferNetworks",
		fdx.GetCustomers:                    "customers",
		fdx.SearchRewardPrograms:            "rewardPrograms",
		fdx.GetRewardProgramCategories:      "rewardCategories",
		fdx.GetAvailability:                 "availability",
	}
}

// single reads an answer that is one record.
func (p *Provider) single(op fdx.OperationID, body []byte) (record, error) {
	if p.mapped != nil {
		return p.mapped.single(op, body)
	}
	if err := strict(body); err != nil {
		return record{}, err
	}
	return fdxRecord(body)
}

// fdxRecord reads the head of a record. Where FDX has no accountId, as in a
// transaction, a bank may have one all the same, and then it has to be right.
func fdxRecord(data json.RawMessage) (record, error) {
	var head map[string]json.RawMessage
	if err := json.Unmarshal(data, &head); err != nil || head == nil {
		return record{}, wrong("a record is no object")
	}
	owner, ok := scalar(head["accountId"])
	if !ok {
		return record{}, wrong("wrong type of member accountId")
	}
	return record{fdx: data, owner: owner}, nil
}

// entity reads a record. mapped is the rule for a bank that does not speak
// FDX.
func entity[T any](r record, mapped func(mapping.Source) (T, error)) (T, error) {
	var v, none T
	if r.mapped == nil {
		if err := decode(r.fdx, &v); err != nil {
			return none, err
		}
		return v, nil
	}
	v, err := mapped(r.mapped)
	if bad, ok := errors.AsType[*mapping.Error](err); ok {
		return none, wrong(bad.Error()) // it quotes no value
	}
	if err != nil {
		return none, wrong("no rule of the mapping fits")
	}
	return v, nil
}

// Mapped describes the answers of a bank that does not speak FDX. Paths are
// those of package mapping.
type Mapped struct {
	// Mapping says how records are read. It has no rules for reward programs
	// and availability, which such a bank cannot have here.
	Mapping *mapping.Mapping
	// Records is where the records of an operation stand: the list, or the
	// one record. An operation that is not named has them as the whole body.
	Records map[fdx.OperationID]string
	// Next is where a list has the key of its next page; with PageOffsets or
	// Whole it is not looked at.
	Next string
	// Owner is where a transaction, statement or network names its account;
	// "" for nowhere. What it says is checked.
	Owner string
	// Code is where the answer to a refused call has its code, for
	// Config.Codes; "" for nowhere.
	Code string
	// Parts is where a customer has the list of parts in accounts, which the
	// holder rules read.
	Parts string
}

// tree reads the body of an answer.
func tree(body []byte) (mapping.Tree, error) {
	if err := strict(body); err != nil {
		return mapping.Tree{}, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var root any
	if err := d.Decode(&root); err != nil {
		return mapping.Tree{}, wrong("no JSON")
	}
	return mapping.Tree{Root: root}, nil
}

// at returns what stands at the path of an operation.
func (m *Mapped) at(op fdx.OperationID, t mapping.Tree) any {
	v, _ := t.Value(m.Records[op]) // the empty path is the whole
	return v
}

func (m *Mapped) list(op fdx.OperationID, body []byte) (answer, error) {
	t, err := tree(body)
	if err != nil {
		return answer{}, err
	}
	elements, ok := m.at(op, t).([]any)
	if !ok {
		return answer{}, wrong("the list is not where Records says")
	}
	a := answer{records: make([]record, len(elements))}
	for i, element := range elements {
		if a.records[i], err = m.record(op, element); err != nil {
			return answer{}, err
		}
	}
	if m.Next != "" {
		v, _ := t.Value(m.Next)
		if a.next, ok = text(v); !ok {
			return answer{}, wrong("the key of the next page is no text")
		}
	}
	return a, nil
}

func (m *Mapped) single(op fdx.OperationID, body []byte) (record, error) {
	t, err := tree(body)
	if err != nil {
		return record{}, err
	}
	return m.record(op, m.at(op, t))
}

func (m *Mapped) record(op fdx.OperationID, element any) (record, error) {
	if _, ok := element.(map[string]any); !ok {
		return record{}, wrong("a record is no object")
	}
	r := record{mapped: mapping.Tree{Root: element}}
	switch op {
	case fdx.SearchForAccountTransactions, fdx.SearchForAccountStatements, fdx.GetAccountPaymentNetworks, fdx.GetAccountAssetTransferNetworks:
		if m.Owner == "" {
			break
		}
		v, _ := r.mapped.Value(m.Owner)
		owner, ok := text(v)
		if !ok || owner == "" {
			return record{}, wrong("a record does not name its account where Owner says")
		}
		r.owner = owner
	}
	return r, nil
}

// parts returns the records of the parts that a customer has in accounts.
func (m *Mapped) parts(customer mapping.Source) ([]mapping.Source, error) {
	v, _ := customer.Value(m.Parts)
	elements, ok := v.([]any)
	if !ok {
		return nil, wrong("the parts in accounts are not where Parts says")
	}
	out := make([]mapping.Source, len(elements))
	for i, element := range elements {
		out[i] = mapping.Tree{Root: element}
	}
	return out, nil
}
