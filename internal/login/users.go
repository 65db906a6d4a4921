package login

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/headgate/headgate/consent"
)

// Users is a Store of a few people that are named in a file: the built-in
// sign-in for trials with a bank whose own sign-in is not connected yet. It
// does not change and is safe for concurrent use.
type Users struct{ by map[string]Credential }

var _ Store = (*Users)(nil)

// user is one entry of the file.
type user struct {
	Username string `json:"username"`
	Consumer string `json:"consumer"`
	Hash     string `json:"hash"`
}

// ParseUsers reads a JSON array of {username, consumer, hash}, the hashes as
// Hash makes them, and nothing else. It reports every fault, joined, by the
// place of the entry, counted from 1.
func ParseUsers(file []byte) (*Users, error) {
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	var list []user
	if err := d.Decode(&list); err != nil {
		return nil, errors.New("not a JSON array of objects with username, consumer and hash")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the array")
	}
	if len(list) == 0 {
		return nil, errors.New("nobody is named")
	}
	u := &Users{by: make(map[string]Credential, len(list))}
	var faults []error
	for i, one := range list {
		fault := func(what string) { faults = append(faults, fmt.Errorf("entry %d: %s", i+1, what)) }
		if one.Username == "" || len(one.Username) > maxUsername || !utf8.ValidString(one.Username) {
			fault("username is missing, too long or not UTF-8")
		}
		if _, twice := u.by[one.Username]; twice {
			fault("username is there before")
		}
		if one.Consumer == "" {
			fault("consumer is missing")
		}
		if _, err := parseHash(one.Hash); err != nil {
			fault("hash is none that 'headgate login hash' prints")
		}
		u.by[one.Username] = Credential{Consumer: consent.ConsumerID(one.Consumer), Hash: one.Hash}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return u, nil
}

// Credential implements Store.
func (u *Users) Credential(_ context.Context, username string) (Credential, error) {
	c, ok := u.by[username]
	if !ok {
		return Credential{}, consent.ErrNotFound
	}
	return c, nil
}
