package fdx

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
)

// Cluster is a data cluster, the unit in which a customer shares data. The
// zero value is no cluster: it is in no set and permits nothing.
type Cluster uint8

// The data clusters, in the order in which sets list them.
const (
	AccountBasic Cluster = iota + 1
	AccountDetailed
	Balances
	Bills
	CustomerContact
	CustomerPersonal
	Images
	Investments
	PaymentSupport
	Rewards
	ScheduledPayments
	SocialSecurityNumber
	Statements
	Tax
	TermsAndConditions
	Transactions
	Transfers
)

const lastCluster = Transfers

var clusterNames = [lastCluster + 1]string{
	AccountBasic:         "ACCOUNT_BASIC",
	AccountDetailed:      "ACCOUNT_DETAILED",
	Balances:             "BALANCES",
	Bills:                "BILLS",
	CustomerContact:      "CUSTOMER_CONTACT",
	CustomerPersonal:     "CUSTOMER_PERSONAL",
	Images:               "IMAGES",
	Investments:          "INVESTMENTS",
	PaymentSupport:       "PAYMENT_SUPPORT",
	Rewards:              "REWARDS",
	ScheduledPayments:    "SCHEDULED_PAYMENTS",
	SocialSecurityNumber: "SOCIAL_SECURITY_NUMBER",
	Statements:           "STATEMENTS",
	Tax:                  "TAX",
	TermsAndConditions:   "TERMS_AND_CONDITIONS",
	Transactions:         "TRANSACTIONS",
	Transfers:            "TRANSFERS",
}

// deprecatedAccountPayments is the name PAYMENT_SUPPORT had before FDX 6.1.
const deprecatedAccountPayments = "ACCOUNT_PAYMENTS"

var (
	// ErrUnknownCluster is returned for text that names no data cluster.
	ErrUnknownCluster = errors.New("unknown data cluster")
	// ErrRepeatedCluster is returned for a set that names a cluster twice.
	ErrRepeatedCluster = errors.New("repeated data cluster")
)

// ParseCluster returns the cluster with exactly this wire name, or
// ErrUnknownCluster. The deprecated ACCOUNT_PAYMENTS is PaymentSupport.
func ParseCluster(name string) (Cluster, error) {
	if name == deprecatedAccountPayments {
		return PaymentSupport, nil
	}
	for c := AccountBasic; c <= lastCluster; c++ {
		if clusterNames[c] == name {
			return c, nil
		}
	}
	return 0, ErrUnknownCluster
}

// AllClusters returns every cluster in declared order. The caller owns it.
func AllClusters() []Cluster {
	return allClusters.List()
}

func (c Cluster) known() bool { return c >= AccountBasic && c <= lastCluster }

// String returns the wire name, such as ACCOUNT_BASIC, and "" for a value
// that is no cluster.
func (c Cluster) String() string {
	if !c.known() {
		return ""
	}
	return clusterNames[c]
}

// MarshalText returns the wire name, or ErrUnknownCluster. Without it a
// []Cluster would marshal as base64, being a slice of bytes.
func (c Cluster) MarshalText() ([]byte, error) {
	if !c.known() {
		return nil, ErrUnknownCluster
	}
	return []byte(clusterNames[c]), nil
}

// UnmarshalText does what ParseCluster does.
func (c *Cluster) UnmarshalText(text []byte) error {
	parsed, err := ParseCluster(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// Clusters is a set of data clusters. The zero value is the empty set, which
// permits nothing. Sets compare with ==.
type Clusters uint32

const allClusters Clusters = 1<<lastCluster - 1

func (c Cluster) bit() Clusters {
	if !c.known() {
		return 0
	}
	return 1 << (c - 1)
}

// NewClusters returns the set of the given clusters. A value that is no
// cluster adds nothing.
func NewClusters(cs ...Cluster) Clusters {
	var s Clusters
	for _, c := range cs {
		s |= c.bit()
	}
	return s
}

// Has reports whether c is in the set.
func (s Clusters) Has(c Cluster) bool { return s&c.bit() != 0 }

// With returns the set with c added.
func (s Clusters) With(c Cluster) Clusters { return s | c.bit() }

// Without returns the set with every cluster of other removed.
func (s Clusters) Without(other Clusters) Clusters { return s &^ other }

// Union returns what is in either set.
func (s Clusters) Union(other Clusters) Clusters { return s | other }

// Intersect returns what is in both sets.
func (s Clusters) Intersect(other Clusters) Clusters { return s & other }

// Empty reports whether the set holds no cluster.
func (s Clusters) Empty() bool { return s&allClusters == 0 }

// Implied returns the set with what it implies added: ACCOUNT_DETAILED
// implies ACCOUNT_BASIC, CUSTOMER_PERSONAL implies CUSTOMER_CONTACT, and
// nothing else implies anything.
func (s Clusters) Implied() Clusters {
	if s.Has(AccountDetailed) {
		s = s.With(AccountBasic)
	}
	if s.Has(CustomerPersonal) {
		s = s.With(CustomerContact)
	}
	return s
}

// List returns the clusters in declared order, nil when the set is empty.
func (s Clusters) List() []Cluster {
	if s.Empty() {
		return nil
	}
	list := make([]Cluster, 0, bits.OnesCount32(uint32(s)))
	for c := AccountBasic; c <= lastCluster; c++ {
		if s.Has(c) {
			list = append(list, c)
		}
	}
	return list
}

// Names returns the wire names in declared order, nil when the set is empty.
func (s Clusters) Names() []string {
	list := s.List()
	if list == nil {
		return nil
	}
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.String()
	}
	return names
}

// MarshalJSON returns an array of wire names in declared order, [] when the
// set is empty.
func (s Clusters) MarshalJSON() ([]byte, error) {
	names := s.Names()
	if names == nil {
		return []byte("[]"), nil
	}
	return json.Marshal(names)
}

// UnmarshalJSON reads an array of wire names. It returns an error that wraps
// ErrUnknownCluster or ErrRepeatedCluster and tells the position, counted
// from 1, or an error for anything that is no array of strings. The set is
// left as it was when there is an error.
func (s *Clusters) UnmarshalJSON(data []byte) error {
	var names []*string
	if err := json.Unmarshal(data, &names); err != nil || names == nil {
		return errors.New("data clusters are not an array of names")
	}
	var set Clusters
	for i, name := range names {
		if name == nil {
			return fmt.Errorf("data cluster %d: %w", i+1, ErrUnknownCluster)
		}
		c, err := ParseCluster(*name)
		if err != nil {
			return fmt.Errorf("data cluster %d: %w", i+1, err)
		}
		if set.Has(c) {
			return fmt.Errorf("data cluster %d: %w", i+1, ErrRepeatedCluster)
		}
		set = set.With(c)
	}
	*s = set
	return nil
}
