package resource

import (
	"net/url"

	"github.com/headgate/headgate/fdx"
)

// links makes the addresses inside entities. Those that a bank wrote never
// leave: they lead around the gateway, and past the consent.
type links struct {
	// base is origin and path below which the endpoints are.
	base string
}

// account leads to an account.
func (l links) account(id fdx.AccountID) fdx.HateoasLink {
	return fdx.HateoasLink{Href: l.base + "/accounts/" + url.PathEscape(string(id)), Action: fdx.ActionGet, Rel: "account", Types: []fdx.ContentType{fdx.JSON}}
}

// images leads to the images of a transaction, in the order of their ids; nil
// when there are none.
func (l links) images(account fdx.AccountID, ids []fdx.ImageID) []fdx.HateoasLink {
	var out []fdx.HateoasLink
	for _, id := range ids {
		out = append(out, fdx.HateoasLink{
			Href: l.account(account).Href + "/transaction-images/" + url.PathEscape(string(id)), Action: fdx.ActionGet, Rel: "image",
		})
	}
	return out
}

// statement leads to the document of a statement; nil while there is none.
func (l links) statement(s *fdx.Statement) []fdx.HateoasLink {
	if s.Status != fdx.DocumentAvailable {
		return nil
	}
	return []fdx.HateoasLink{{
		Href: l.account(s.AccountID).Href + "/statements/" + url.PathEscape(string(s.StatementID)), Action: fdx.ActionGet, Rel: "statement",
	}}
}
