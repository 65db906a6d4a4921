package mail

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// Message is a mail as it is sent.
type Message struct {
	ID      string // unique to the mail, the same in every copy; without domain
	To      string // an address without a name
	Lang    string // BCP 47
	Subject string
	Text    string
	HTML    string
	// Unsubscribe is an https address; empty leaves the header out.
	Unsubscribe string
	At          time.Time
}

// Sender sends a message once. Implementations are safe for concurrent use.
type Sender interface {
	// Send hands the message over. ErrRefused means that the other side will
	// never take it for that address; any other error may pass.
	Send(ctx context.Context, m Message) error
}

// ErrRefused: the address is refused for good.
var ErrRefused = errors.New("mail: address is refused")

// errHeader: a value cannot stand in a header.
var errHeader = errors.New("mail: value with a control character")

// maxAddress is the longest address (RFC 5321 section 4.5.3.1.3).
const maxAddress = 254

// clean reports whether a value can stand in a header without ending it.
func clean(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 })
}

// CheckAddress returns an error, without the address, unless mail can be sent
// to it: a plain address of ASCII without a name, of at most 254 bytes.
func CheckAddress(s string) error {
	_, err := parseAddress(s)
	return err
}

// parseAddress returns an address without a name as it is; an error for
// anything else. It is what a bank has on file, so that it can be anything.
func parseAddress(s string) (string, error) {
	if len(s) > maxAddress || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || strings.ContainsAny(s, `<>()[]\,;:"`) {
		return "", fmt.Errorf("%w: not an address", ErrRefused)
	}
	a, err := netmail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s {
		return "", fmt.Errorf("%w: not an address", ErrRefused)
	}
	return s, nil
}

// build makes the message of the library. from may have a name.
func build(from string, m Message) (*gomail.Msg, error) {
	to, err := parseAddress(m.To)
	if err != nil {
		return nil, err
	}
	for _, s := range []string{m.ID, m.Lang, m.Subject, m.Unsubscribe} {
		if !clean(s) {
			return nil, errHeader
		}
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := msg.From(from); err != nil {
		return nil, fmt.Errorf("mail: sender: %w", err)
	}
	if err := msg.To(to); err != nil {
		return nil, fmt.Errorf("%w: not an address", ErrRefused)
	}
	_, domain, _ := strings.Cut(strings.TrimRight(from, "> "), "@")
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	msg.SetDateWithValue(m.At)
	msg.Subject(m.Subject)
	msg.SetGenHeader("Content-Language", m.Lang)
	// No robot is to answer, and no list to be told (RFC 3834 section 5).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	if m.Unsubscribe != "" {
		msg.SetListUnsubscribe(m.Unsubscribe)
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return msg, nil
}
