package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/apidocs"
	"github.com/headgate/headgate/internal/openapi"
)

// builder collects operations.
type builder struct {
	schemas *schemas
	paths   object
	tags    []string
	opened  fdx.Clusters
	// own are the operations that a scope of clients' own tokens opens.
	own map[fdx.Scope][]string
}

func newBuilder(types *source) *builder {
	b := &builder{schemas: newSchemas(types), own: map[fdx.Scope][]string{}}
	entities := map[string]map[string]fdx.Field{}
	for _, e := range fdx.Entities() {
		rows := map[string]fdx.Field{}
		for _, f := range e.Fields {
			rows[f.Path] = f
		}
		entities[e.Name] = rows
	}
	for _, t := range []reflect.Type{reflect.TypeFor[fdx.Account](), reflect.TypeFor[fdx.Transaction]()} {
		for i := range t.NumField() {
			of := t.Field(i).Type.Elem()
			b.schemas.cover(of, "", entities[of.Name()])
		}
	}
	for _, t := range []reflect.Type{
		reflect.TypeFor[fdx.AccountContact](), reflect.TypeFor[fdx.Customer](), reflect.TypeFor[fdx.PaymentNetwork](),
		reflect.TypeFor[fdx.AssetTransferNetwork](), reflect.TypeFor[fdx.Statement](), reflect.TypeFor[fdx.RewardProgram](),
		reflect.TypeFor[fdx.RewardCategory](),
	} {
		b.schemas.cover(t, "", entities[t.Name()])
	}
	return b
}

// add adds an operation.
func (b *builder) add(op openapi.Operation) error {
	if op.About == "" {
		return errors.New("it says nothing about itself")
	}
	if !op.Opened.Empty() && op.ClientScope != "" {
		return errors.New("both kinds of tokens have a scope for it")
	}
	if !slices.Contains(b.tags, op.Tag) {
		b.tags = append(b.tags, op.Tag)
	}
	b.opened = b.opened.Union(op.Opened)
	if op.ClientScope != "" {
		b.own[op.ClientScope] = append(b.own[op.ClientScope], string(op.ID))
	}
	summary, rest, _ := strings.Cut(op.About, ". ")
	o := object{
		{"operationId", op.ID}, {"tags", []string{op.Tag}},
		{"summary", strings.TrimSuffix(summary, ".")}, {"description", strings.TrimSpace(rest + " " + opens(op))},
		{"security", security(op)},
	}
	if !op.Opened.Empty() {
		o = o.with("x-headgate-clusters", object{
			{"openedBy", op.Opened.Names()}, {"carries", op.Carried.Names()}, {"customerEntry", op.Customer},
		})
	}
	parameters := []object{{{"$ref", "#/components/parameters/interactionId"}}}
	for _, p := range op.Parameters {
		parameters = append(parameters, b.parameter(p))
	}
	o = o.with("parameters", parameters)
	if op.Body != nil {
		o = o.with("requestBody", object{{"required", true}, {"content", object{
			{string(fdx.JSON), object{{"schema", b.schemas.of(op.Body)}}},
		}}})
	}
	responses, err := b.responses(op)
	if err != nil {
		return err
	}
	o = o.with("responses", responses)
	method := strings.ToLower(op.Method)
	for i := range b.paths {
		if b.paths[i].name == op.Path {
			b.paths[i].value = b.paths[i].value.(object).with(method, o)
			return nil
		}
	}
	b.paths = b.paths.with(op.Path, object{{method, o}})
	return nil
}

// opens says what opens an operation and what it carries.
func opens(op openapi.Operation) string {
	switch {
	case op.ClientScope != "":
		return "Opened by a client's own token with the scope " + string(op.ClientScope) + "."
	case op.Opened.Empty():
		return "Any living access token opens it, of a consent or a client's own; it gives no data of anybody."
	}
	text := "Opened by " + either(op.Opened) + ", as a scope of the token and in the grant."
	if op.Customer {
		text += " The CUSTOMER entry of the grant counts for each account in it."
	}
	if more := op.Carried.Without(op.Opened); !more.Empty() {
		text += " Holds fields of " + either(more) + " besides, where the token and the grant have that too."
	}
	return text
}

// security lists the ways to be let in: a scope that opens it, with a proof of
// possession of one kind or the other.
func security(op openapi.Operation) []object {
	alternatives := [][]fdx.Scope{{}} // any token will do
	if op.ClientScope != "" {
		alternatives = [][]fdx.Scope{{op.ClientScope}}
	} else if scopes := fdx.ScopesOf(op.Opened); len(scopes) > 0 {
		alternatives = slices.Collect(slices.Chunk(scopes, 1))
	}
	var list []object
	for _, needed := range alternatives {
		for _, possession := range []string{"dpop", "mutualTLS"} {
			list = append(list, object{{"oauth2", needed}, {possession, []string{}}})
		}
	}
	return list
}

func (b *builder) parameter(p openapi.Parameter) object {
	o := object{{"name", p.Name}, {"in", string(p.In)}, {"description", p.About}}
	if p.Required {
		o = o.with("required", true)
	}
	if p.Deprecated {
		o = o.with("deprecated", true)
	}
	if p.Type.Kind() == reflect.Slice {
		o = o.with("style", "form").with("explode", false)
	}
	schema := slices.Clone(b.schemas.of(p.Type))
	for _, name := range slices.Sorted(maps.Keys(p.Limits)) {
		schema = schema.with(name, p.Limits[name])
	}
	return o.with("schema", schema)
}

func (b *builder) responses(op openapi.Operation) (object, error) {
	byStatus := map[int]object{}
	for _, a := range op.Answers {
		o := object{{"description", a.About}}
		headers := everyHeader()
		for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
			headers = headers.with(name, object{{"description", a.Headers[name]}, {"schema", object{{"type", "string"}}}})
		}
		o = o.with("headers", headers)
		content := object{}
		if a.Type != nil {
			content = content.with(string(fdx.JSON), object{{"schema", b.schemas.of(a.Type)}})
		}
		for _, form := range a.Forms {
			content = content.with(string(form), object{})
		}
		if len(content) > 0 {
			o = o.with("content", content)
		}
		byStatus[a.Status] = o
	}
	grouped := map[int][]*fdx.Error{}
	for _, e := range op.Errors {
		grouped[e.Status] = append(grouped[e.Status], e)
	}
	for status, list := range grouped {
		if byStatus[status] != nil {
			return nil, fmt.Errorf("%d is an answer and an error", status)
		}
		byStatus[status] = b.failure(status, list)
	}
	all := object{}
	for _, status := range slices.Sorted(maps.Keys(byStatus)) {
		all = all.with(strconv.Itoa(status), byStatus[status])
	}
	return all, nil
}

// failure is the answer with one of several errors of the same status.
func (b *builder) failure(status int, list []*fdx.Error) object {
	list = slices.Clone(list)
	slices.SortFunc(list, func(x, y *fdx.Error) int {
		return cmp.Compare(len(x.Code)*1e4, len(y.Code)*1e4)*2 + cmp.Compare(x.Code, y.Code)
	})
	var codes, texts []string
	examples := object{}
	for _, e := range list {
		codes = append(codes, e.Code)
		texts = append(texts, e.Message+" (code "+e.Code+")")
		examples = examples.with(e.Code, object{{"summary", e.Message}, {"value", object{{"code", e.Code}, {"message", e.Message}}}})
	}
	headers := everyHeader()
	switch status {
	case http.StatusUnauthorized:
		headers = headers.with("WWW-Authenticate", header("wwwAuthenticate"))
	case http.StatusForbidden:
		if slices.Contains(list, fdx.ErrForbidden) {
			headers = headers.with("WWW-Authenticate", header("wwwAuthenticate"))
		}
	case http.StatusTooManyRequests:
		headers = headers.with("Retry-After", header("retryLater"))
	case http.StatusServiceUnavailable:
		headers = headers.with("Retry-After", header("retryAfter"))
	}
	return object{
		{"description", strings.Join(texts, "; ") + "."}, {"headers", headers},
		{"content", object{{string(fdx.JSON), object{
			{"schema", object{
				{"allOf", []object{b.schemas.of(reflect.TypeFor[fdx.Error]()), {{"properties", object{{"code", object{{"enum", codes}}}}}}}},
			}},
			{"examples", examples},
		}}}},
	}
}

// everyHeader are the headers of every answer.
func everyHeader() object {
	return object{
		{"x-fapi-interaction-id", header("interactionId")},
		{"x-headgate-request-id", header("requestId")},
		{"DPoP-Nonce", header("dpopNonce")},
		{"RateLimit", header("rateLimit")},
		{"RateLimit-Policy", header("rateLimitPolicy")},
	}
}

func header(name string) object { return object{{"$ref", "#/components/headers/" + name}} }

// document returns the whole.
func (b *builder) document() object {
	tags := make([]object, len(b.tags))
	for i, name := range b.tags {
		tags[i] = object{{"name", name}}
	}
	scopes := object{}
	for _, c := range b.opened.List() {
		scopes = scopes.with(string(c.Scope()), "The data cluster "+c.String()+".")
	}
	own := object{}
	for _, scope := range slices.Sorted(maps.Keys(b.own)) {
		own = own.with(string(scope), "Opens "+listed(b.own[scope], "and")+".")
	}
	text := func(about string) object {
		return object{{"description", about}, {"schema", object{{"type", "string"}}}}
	}
	uuid := object{{"type", "string"}, {"format", "uuid"}}
	return object{
		{"openapi", "3.1.1"},
		{"info", object{
			{"title", "Headgate API"}, {"version", fdx.V6},
			{"summary", "FDX-aligned reads of what a consumer has shared, and the consents behind them."},
			{"description", description},
			{"license", object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}},
		}},
		{"servers", []object{{{"url", apidocs.Public}}}},
		{"tags", tags},
		{"paths", b.paths},
		{"components", object{
			{"securitySchemes", object{
				{"oauth2", object{
					{"type", "oauth2"},
					{"description", "An access token of a consent (authorizationCode), or a client's own (clientCredentials). Authorization requests are pushed (RFC 9126) and may carry authorization_details of type fdx_v1.0 (RFC 9396); the metadata of the authorization server says the rest."},
					{"flows", object{
						{"authorizationCode", object{
							{"authorizationUrl", apidocs.Issuer + "/authorize"}, {"tokenUrl", apidocs.Issuer + "/token"}, {"scopes", scopes},
						}},
						{"clientCredentials", object{{"tokenUrl", apidocs.Issuer + "/token"}, {"scopes", own}}},
					}},
				}},
				{"dpop", object{
					{"type", "apiKey"}, {"in", "header"}, {"name", "DPoP"},
					{"description", "A proof of possession, new for each request (RFC 9449), with the token after DPoP in the Authorization header."},
				}},
				{"mutualTLS", object{
					{"type", "mutualTLS"},
					{"description", "The client certificate that the token is bound to (RFC 8705), with the token after Bearer in the Authorization header."},
				}},
			}},
			{"parameters", object{{"interactionId", object{
				{"name", "x-fapi-interaction-id"}, {"in", "header"},
				{"description", "The caller's id of the interaction, which the answer repeats; without it the answer has a fresh one."}, {"schema", uuid},
			}}}},
			{"headers", object{
				{"interactionId", object{{"description", "The id of the request, or a fresh one."}, {"required", true}, {"schema", uuid}}},
				{"requestId", object{{"description", "This gateway's own id of the request, to name when asking for help."}, {"required", true}, {"schema", uuid}}},
				{"dpopNonce", text("The nonce of the next DPoP proof, where the gateway demands nonces (RFC 9449 section 9).")},
				{"wwwAuthenticate", text("Why, for each scheme (RFC 6750 section 3, RFC 9449 section 7.1).")},
				{"retryLater", object{{"description", "Seconds to wait; absent when waiting does not help."}, {"schema", object{{"type", "integer"}}}}},
				{"rateLimit", text("How many requests are left of each quota (r), and in how many seconds it is whole again (t), where requests are counted.")},
				{"rateLimitPolicy", text("The quotas: so many requests (q) in so many seconds (w), where requests are counted.")},
				{"retryAfter", object{{"description", "Seconds to wait."}, {"required", true}, {"schema", object{{"type", "integer"}}}}},
			}},
			{"schemas", b.schemas.sorted()},
		}},
	}
}

const description = `There are two kinds of access tokens. That of a consent opens the data; a client's own (client_credentials) opens the consents that the client holds and its notifications. Neither opens what is the other's.

Every answer with data holds exactly what the grant lets through: accounts of the grant, days inside its look-back, fields of the data clusters that both the grant and the token have. ACCOUNT_DETAILED implies ACCOUNT_BASIC and CUSTOMER_PERSONAL implies CUSTOMER_CONTACT. Each property of the data below names the clusters that let it through; the property around it must be let through, too.

Any property that is not marked as required can be missing. Do not rely on a property not being there: later releases add some.

The code of an error is that of FDX and not the HTTP status: code 401 goes with status 400. A method that a path does not have is 405 with code 1206, a path that does not exist 404 with code 1107.`
