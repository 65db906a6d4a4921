package authzd

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/cmd/internal/bank"
	"github.com/headgate/headgate/cmd/internal/config"
	"github.com/headgate/headgate/consent/portal"
	"github.com/headgate/headgate/internal/banklogin"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/mail"
	"github.com/headgate/headgate/internal/passkey"
	"github.com/headgate/headgate/internal/postgres"
)

// newSignIn returns the built-in sign-in. What it stores is keyed by a secret
// of its own, made from one that every instance has.
func (p *Process) newSignIn(c Config, db *postgres.DB, b *bank.Bank, write func(login.Message) (portal.Letter, error)) (*login.Login, *login.Codes, error) {
	secret, err := signInSecret(c.SubjectKeyFile)
	if err != nil {
		return nil, nil, err
	}
	store := db.SignIns()
	signIn, err := login.New(login.Config{Store: people(b, store), Throttle: store, Journal: store, Secret: secret})
	if err != nil {
		return nil, nil, err
	}
	sender, err := p.newCodeSender(c, b, write)
	if err != nil {
		return nil, nil, err
	}
	codes, err := login.NewCodes(login.CodesConfig{Store: store, Throttle: store, Sender: sender, Secret: secret})
	return signIn, codes, err
}

// newPasskeys returns the passkeys of the built-in sign-in; nil where there can
// be none: a relying party has a name and no address (WebAuthn section 5.1.2).
func newPasskeys(c Config, db *postgres.DB) (portal.Passkeys, error) {
	base, err := url.Parse(c.BrowserBase)
	if err != nil {
		return nil, fmt.Errorf("browser_base: %w", err)
	}
	if _, err := netip.ParseAddr(base.Hostname()); err == nil {
		return nil, nil
	}
	secret, err := signInSecret(c.SubjectKeyFile)
	if err != nil {
		return nil, err
	}
	keys, err := passkey.New(passkey.Config{
		Base: c.BrowserBase, Bank: c.BankName, Store: db.Passkeys(), Throttle: db.SignIns(), Journal: db.SignIns(), Teller: db.Inbox(), Secret: secret,
	})
	if err != nil {
		return nil, fmt.Errorf("browser_base: %w", err)
	}
	return keys, nil
}

// newBankLogin returns the sign-in at the bank's own OpenID provider; nil when
// none is set.
func (p *Process) newBankLogin(c Config, db *postgres.DB) (portal.BankLogin, error) {
	if c.OIDCIssuer == "" {
		if c.OIDCClientID != "" || c.OIDCSecretFile != "" || c.OIDCKeysFile != "" || c.OIDCStepUp != "" {
			return nil, errors.New("oidc_issuer: required with the other settings of the bank's OpenID provider")
		}
		return nil, nil
	}
	var (
		secret string
		keys   banklogin.Keys
	)
	switch {
	case (c.OIDCSecretFile == "") == (c.OIDCKeysFile == ""):
		return nil, errors.New("oidc_issuer: one of oidc_client_secret_file and oidc_client_keys_file is required with it")
	case c.OIDCKeysFile != "":
		own, err := certs.LoadSigningKeys(c.OIDCKeysFile)
		if err != nil {
			return nil, fmt.Errorf("oidc_client_keys_file: %w", err)
		}
		keys = own
	default:
		var err error
		if secret, err = config.Secret(c.OIDCSecretFile); err != nil {
			return nil, fmt.Errorf("oidc_client_secret_file: %w", err)
		}
	}
	out, err := newOutbound(c, providerTimeout)
	if err != nil {
		return nil, err
	}
	provider, err := banklogin.New(banklogin.Config{
		Issuer: c.OIDCIssuer, ClientID: c.OIDCClientID, ClientSecret: secret, Keys: keys, Return: c.BrowserBase + portal.ReturnPath,
		StepUp: c.OIDCStepUp, Consumer: c.OIDCConsumer, HTTP: out.HTTP(), Journal: db.SignIns(),
	})
	if err != nil {
		return nil, fmt.Errorf("oidc_issuer: %w", err)
	}
	return provider, nil
}

// providerTimeout bounds one call of the bank's OpenID provider.
const providerTimeout = 5 * time.Second

// signInSecret makes the secret of sign-ins from the one in a file.
func signInSecret(file string) ([]byte, error) {
	root, err := certs.LoadSecret(file)
	if err != nil {
		return nil, fmt.Errorf("subject_key_file: %w", err)
	}
	return hkdf.Key(sha256.New, root, nil, "headgate sign-in", sha256.Size)
}

// newCodeSender returns what brings one-time codes to people: the way that
// notices go.
func (p *Process) newCodeSender(c Config, b *bank.Bank, write func(login.Message) (portal.Letter, error)) (login.Sender, error) {
	send, err := p.newSender(c)
	if err != nil {
		return nil, err
	}
	if send == nil {
		return noSender{}, nil
	}
	return mail.NewCodes(mail.CodesConfig{
		Addresses: p.addresses(b), Send: send, Now: time.Now,
		Write: func(m login.Message) (mail.Message, error) {
			l, err := write(m)
			return mail.Message{Lang: l.Lang, Subject: l.Subject, Text: l.Text, HTML: l.HTML}, err
		},
	})
}

// noSender is used where nothing can bring codes to people. What takes a
// second proof cannot be shared then.
type noSender struct{}

var errNoSender = errors.New("no way to send one-time codes is configured")

// Send implements login.Sender.
func (noSender) Send(context.Context, login.Message) error { return errNoSender }
