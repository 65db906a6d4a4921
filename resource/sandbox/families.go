package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/resource"
	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// Operations implements resource.Provider: all of them.
func (s *Store) Operations() []fdx.OperationID {
	return []fdx.OperationID{
		fdx.SearchForAccounts, fdx.GetAccount, fdx.GetAccountContact, fdx.GetAccountPaymentNetworks, fdx.GetAccountAssetTransferNetworks,
		fdx.SearchForAccountTransactions, fdx.SearchForAccountStatements, fdx.GetAccountStatement,
		fdx.GetAccountTransactionImages, fdx.GetTermsAndConditions,
		fdx.SearchRewardPrograms, fdx.GetRewardProgram, fdx.GetRewardProgramCategories,
		fdx.GetCustomers, fdx.GetCustomerInfo, fdx.GetCustomer,
	}
}

// Availability implements resource.Provider.
func (s *Store) Availability(ctx context.Context) (fdx.Availability, error) {
	if err := s.pool.Ping(ctx); err != nil {
		return fdx.Availability{}, fmt.Errorf("sandbox availability: %w", err)
	}
	return fdx.Availability{Status: fdx.Alive}, nil
}

// state is what decides about an account before anything of it is read.
type state struct {
	status   fdx.AccountStatus
	category fdx.AccountCategory
	services ledger.Services
	// first is the day of the first booking, zero without any.
	first fdx.Date
}

// state returns the state of the one account of an access, ErrNoAccount,
// ErrAccountLocked or ErrUnavailable.
func (s *Store) state(ctx context.Context, a resource.Access) (state, error) {
	var out state
	var services []byte
	var why closed
	var first *time.Time
	err := s.pool.QueryRow(ctx, `
		SELECT a.status, a.category, a.services, `+closedTo+`,
			(SELECT t.at FROM sandbox.txn t WHERE t.account_id = a.id AND t.pending = false ORDER BY t.at, t.id LIMIT 1)
		FROM sandbox.account a WHERE a.id = $2`+heldBy, string(a.Consumer()), string(a.Account())).
		Scan(&out.status, &out.category, &services, &why, &first)
	if errors.Is(err, pgx.ErrNoRows) {
		return state{}, resource.ErrNoAccount
	}
	if err == nil {
		err = json.Unmarshal(services, &out.services)
	}
	if err != nil {
		return state{}, fmt.Errorf("sandbox account: %w", err)
	}
	if err := why.err(); err != nil {
		return state{}, err
	}
	if first != nil {
		out.first = fdx.DateOf(*first)
	}
	return out, nil
}

// PaymentNetworks implements resource.Provider. Annuities and insurances are
// not paid through networks at all.
func (s *Store) PaymentNetworks(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.PaymentNetwork], error) {
	state, err := s.state(ctx, a)
	switch {
	case err != nil:
	case state.category == fdx.AnnuityCategory, state.category == fdx.InsuranceCategory:
		err = resource.ErrAccountType
	case state.status == fdx.StatusClosed:
		err = resource.ErrAccountClosed
	}
	if err != nil {
		return resource.Page[fdx.PaymentNetwork]{}, err
	}
	return cut(state.services.PaymentNetworks, p)
}

// AssetTransferNetworks implements resource.Provider.
func (s *Store) AssetTransferNetworks(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.AssetTransferNetwork], error) {
	state, err := s.state(ctx, a)
	if err == nil && state.status == fdx.StatusClosed {
		err = resource.ErrAccountClosed
	}
	if err != nil {
		return resource.Page[fdx.AssetTransferNetwork]{}, err
	}
	return cut(state.services.AssetTransferNetworks, p)
}

// cut returns a page of a list that is small and whole. Its places are
// positions.
func cut[T any](list []T, p resource.PageRequest) (resource.Page[T], error) {
	from := 0
	if p.After != "" {
		var err error
		if from, err = strconv.Atoi(p.After); err != nil || from < 0 || from > len(list) {
			return resource.Page[T]{}, errPlace
		}
	}
	to := min(from+p.Limit, len(list))
	page := resource.Page[T]{Items: list[from:to]}
	if to < len(list) {
		page.Next = strconv.Itoa(to)
	}
	return page, nil
}

// Contact implements resource.Provider.
func (s *Store) Contact(ctx context.Context, a resource.Access) (fdx.AccountContact, error) {
	if _, err := s.state(ctx, a); err != nil {
		return fdx.AccountContact{}, err
	}
	holders, err := s.holders(ctx, a, "", "", maxHolders)
	if err != nil {
		return fdx.AccountContact{}, fmt.Errorf("sandbox contact: %w", err)
	}
	ownersFirst(holders, a.Account())
	var out fdx.AccountContact
	for _, c := range holders {
		out.Holders = append(out.Holders, fdx.AccountHolder{
			Type: c.Type, Name: c.Name, BusinessCustomer: c.BusinessCustomer, Relationship: partIn(c, a.Account()),
		})
		out.Emails = append(out.Emails, c.Emails...)
		out.Addresses = append(out.Addresses, c.Addresses...)
		out.Telephones = append(out.Telephones, c.Telephones...)
	}
	return out, nil
}

// maxHolders bounds how many holders of one account are told.
const maxHolders = 100

// ownersFirst sorts holders as a bank would list them.
func ownersFirst(holders []fdx.Customer, id fdx.AccountID) {
	rank := func(c fdx.Customer) int {
		return slices.Index([]fdx.AccountHolderRelationship{fdx.SoleOwner, fdx.PrimaryJoint}, partIn(c, id))
	}
	slices.SortStableFunc(holders, func(x, y fdx.Customer) int { return rank(y) - rank(x) })
}

// partIn returns the part of a customer in an account.
func partIn(c fdx.Customer, id fdx.AccountID) fdx.AccountHolderRelationship {
	for _, part := range c.Accounts {
		if part.AccountID == id {
			return part.Relationship
		}
	}
	return ""
}

// Holders implements resource.Provider. Customers are in the order of their
// ids, which are random.
func (s *Store) Holders(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.Customer], error) {
	list, err := s.holders(ctx, a, p.After, "", p.Limit+1)
	if err != nil {
		return resource.Page[fdx.Customer]{}, fmt.Errorf("sandbox customers: %w", err)
	}
	page := resource.Page[fdx.Customer]{Items: list}
	if len(list) > p.Limit {
		page.Items = list[:p.Limit]
		page.Next = string(list[p.Limit-1].CustomerID)
	}
	return page, nil
}

// Holder implements resource.Provider.
func (s *Store) Holder(ctx context.Context, a resource.Access, id fdx.CustomerID) (fdx.Customer, error) {
	list, err := s.holders(ctx, a, "", id, 1)
	if err != nil {
		return fdx.Customer{}, fmt.Errorf("sandbox customer: %w", err)
	}
	if len(list) == 0 {
		return fdx.Customer{}, resource.ErrNotFound
	}
	return list[0], nil
}

// relationships are the parts in accounts as FDX names them. OWNER is a sole
// owner unless somebody else owns the account as well.
const relationships = `CASE
	WHEN h.relationship = 'AUTHORIZED_USER' THEN 'AUTHORIZED_USER'
	WHEN h.relationship = 'JOINT' THEN 'SECONDARY_JOINT'
	WHEN EXISTS (SELECT FROM sandbox.holder o WHERE o.account_id = h.account_id AND o.customer_id <> h.customer_id AND o.relationship = 'JOINT') THEN 'PRIMARY_JOINT'
	ELSE 'SOLE_OWNER' END`

// holders returns up to limit customers, from after on or the one with the id,
// who hold accounts of the access that its consumer holds.
func (s *Store) holders(ctx context.Context, a resource.Access, after string, id fdx.CustomerID, limit int) ([]fdx.Customer, error) {
	if strings.ContainsRune(after, 0) || strings.ContainsRune(string(id), 0) {
		return nil, errPlace // text that PostgreSQL cannot hold
	}
	rows, err := s.pool.Query(ctx, `
		SELECT c.id, c.name, c.person, (
			SELECT json_agg(json_build_object('accountId', h.account_id, 'relationship', `+relationships+`) ORDER BY acc.seq)
			FROM sandbox.holder h JOIN sandbox.account acc ON acc.id = h.account_id
			WHERE h.customer_id = c.id AND NOT acc.services ? 'gone')
		FROM sandbox.customer c
		WHERE c.id > $3 AND ($4 = '' OR c.id = $4) AND EXISTS (
			SELECT FROM sandbox.holder o JOIN sandbox.account a ON a.id = o.account_id
			WHERE o.customer_id = c.id AND a.id = ANY($2)`+heldBy+`)
		ORDER BY c.id LIMIT $5`, string(a.Consumer()), accountIDs(a.Accounts()), after, string(id), limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (fdx.Customer, error) {
		var id fdx.CustomerID
		var name string
		var person, parts []byte
		if err := row.Scan(&id, &name, &person, &parts); err != nil {
			return fdx.Customer{}, err
		}
		c := fdx.Customer{Type: fdx.Consumer, Name: personName(name)}
		if person != nil {
			c = fdx.Customer{}
			if err := json.Unmarshal(person, &c); err != nil {
				return c, fmt.Errorf("person: %w", err)
			}
		}
		c.CustomerID, c.Accounts = id, nil
		return c, json.Unmarshal(parts, &c.Accounts)
	})
}

// personName takes apart a name of which no more is known.
func personName(name string) fdx.CustomerName {
	first, last := name, ""
	if i := strings.LastIndexByte(name, ' '); i >= 0 {
		first, last = name[:i], name[i+1:]
	}
	return fdx.CustomerName{IndividualName: fdx.IndividualName{First: first, Last: last}}
}

// RewardPrograms implements resource.Provider.
func (s *Store) RewardPrograms(ctx context.Context, a resource.Access, p resource.PageRequest) (resource.Page[fdx.RewardProgram], error) {
	var after int64
	if p.After != "" {
		var err error
		if after, err = strconv.ParseInt(p.After, 10, 64); err != nil {
			return resource.Page[fdx.RewardProgram]{}, errPlace
		}
	}
	list, err := s.programs(ctx, a, after, "", p.Limit+1)
	if err != nil {
		return resource.Page[fdx.RewardProgram]{}, err
	}
	var page resource.Page[fdx.RewardProgram]
	if len(list) > p.Limit {
		list = list[:p.Limit]
		page.Next = strconv.FormatInt(list[p.Limit-1].seq, 10)
	}
	for _, program := range list {
		page.Items = append(page.Items, program.fdx)
	}
	return page, nil
}

// RewardProgram implements resource.Provider.
func (s *Store) RewardProgram(ctx context.Context, a resource.Access, id fdx.RewardProgramID) (fdx.RewardProgram, error) {
	program, err := s.program(ctx, a, id)
	return program.fdx, err
}

// RewardCategories implements resource.Provider.
func (s *Store) RewardCategories(ctx context.Context, a resource.Access, id fdx.RewardProgramID, p resource.PageRequest) (resource.Page[fdx.RewardCategory], error) {
	program, err := s.program(ctx, a, id)
	if err != nil {
		return resource.Page[fdx.RewardCategory]{}, err
	}
	return cut(program.categories, p)
}

// placedProgram is a program in its place in the list.
type placedProgram struct {
	seq        int64
	fdx        fdx.RewardProgram
	categories []fdx.RewardCategory
}

func (s *Store) program(ctx context.Context, a resource.Access, id fdx.RewardProgramID) (placedProgram, error) {
	list, err := s.programs(ctx, a, 0, id, 1)
	if err != nil {
		return placedProgram{}, err
	}
	if len(list) == 0 {
		return placedProgram{}, resource.ErrNotFound
	}
	return list[0], nil
}

// programs returns up to limit programs, from a place on or the one with the
// id, in which accounts of the access that its consumer holds take part, with
// the consumer's membership.
func (s *Store) programs(ctx context.Context, a resource.Access, after int64, id fdx.RewardProgramID, limit int) ([]placedProgram, error) {
	rows, err := s.pool.Query(ctx, `
		WITH held AS (SELECT array_agg(h.account_id) AS ids FROM sandbox.holder h WHERE h.customer_id = $1)
		SELECT p.seq, p.id, p.detail, p.categories, m.customer_id, m.detail,
			ARRAY(SELECT u FROM unnest(m.account_ids) WITH ORDINALITY u(u, n) WHERE u = ANY(held.ids) ORDER BY n)
		FROM sandbox.reward_membership m JOIN sandbox.reward_program p ON p.id = m.program_id, held
		WHERE m.customer_id = $1 AND p.seq > $3 AND ($4 = '' OR p.id = $4)
			AND EXISTS (SELECT FROM unnest(m.account_ids) u WHERE u = ANY($2) AND u = ANY(held.ids))
		ORDER BY p.seq LIMIT $5`, string(a.Consumer()), accountIDs(a.Accounts()), after, string(id), limit)
	if err != nil {
		return nil, fmt.Errorf("sandbox reward programs: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (placedProgram, error) {
		var p placedProgram
		var programID fdx.RewardProgramID
		var customer fdx.CustomerID
		var accounts []string
		var detail, categories, member []byte
		if err := row.Scan(&p.seq, &programID, &detail, &categories, &customer, &member, &accounts); err != nil {
			return p, err
		}
		var m fdx.RewardMembership
		if err := errors.Join(json.Unmarshal(detail, &p.fdx), json.Unmarshal(categories, &p.categories), json.Unmarshal(member, &m)); err != nil {
			return p, err
		}
		m.CustomerID = customer
		for _, id := range accounts {
			m.AccountIDs = append(m.AccountIDs, fdx.AccountID(id))
		}
		p.fdx.RewardProgramID, p.fdx.Memberships = programID, []fdx.RewardMembership{m}
		for i := range p.categories {
			p.categories[i].RewardProgramID = programID
		}
		return p, nil
	})
	if err != nil {
		return nil, fmt.Errorf("sandbox reward programs: %w", err)
	}
	return list, nil
}
