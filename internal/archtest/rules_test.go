package archtest

// A row gives a package its place. It may import every package of a lower
// level, and from its own level those that are named in beside.
//
// Names are import paths below the module. One that ends in "/..." stands for
// the package and everything below it.
type row struct {
	pkg    string
	level  int
	beside []string
}

// apart is the level of packages that import nothing of ours but their own
// kind, and that only those import whose row names them.
const apart = -1

// rows is the table of docs/architecture.md.
var rows = []row{
	// Vocabulary and tools of one trade. They know nothing of a consent.
	{"fdx", 0, nil},
	{"certs", 0, nil},
	{"certs/devca", 0, []string{"certs"}},
	{"certs/clientcert", 0, []string{"certs", "certs/devca"}},
	{"certs/certstest", 0, []string{"certs"}},
	{"internal/dpop", 0, []string{"certs"}},
	{"internal/outbound", 0, []string{"certs"}},
	{"internal/web", 0, nil},
	{"internal/limit", 0, nil},
	{"internal/ui", 0, nil},
	{"internal/apidocs", 0, []string{"internal/web"}},

	// What a consent is, and what refers to one.
	{"consent", 1, nil},
	{"internal/openapi", 1, nil},
	{"consent/consenttest", 1, []string{"consent"}},
	{"consent/notice", 2, nil},
	{"consent/receipt", 2, nil},
	{"consent/policy", 2, nil},
	{"consent/inbox", 2, nil},
	{"consent/erasure", 2, []string{"consent/inbox"}},
	{"internal/token", 2, nil},
	{"internal/bearer", 2, []string{"internal/token"}},
	{"internal/fdxhttp", 2, []string{"internal/bearer"}},
	{"internal/audit", 2, nil},
	{"internal/audit/ledger", 2, nil},
	{"internal/login", 2, nil},
	{"internal/banklogin", 3, nil},
	{"internal/passkey", 3, []string{"internal/passkey/passkeytest"}}, // in tests
	{"internal/passkey/passkeytest", 3, nil},
	{"internal/login/logintest", 2, []string{"internal/login", "consent/inbox"}},

	// The parts that answer requests. Siblings do not import each other.
	{"authz", 3, []string{"authz/internal/engine"}},
	{"authz/internal/engine", 3, nil},
	{"authz/authztest", 3, []string{"authz"}},
	{"resource", 3, nil},
	{"resource/contract", 3, []string{"resource", "resource/resourcetest"}}, // the latter in tests
	{"resource/resourcetest", 3, []string{"resource", "resource/contract"}},
	{"resource/sandbox", 3, []string{"resource", "resource/sandbox/..."}},
	{"resource/sandbox/ledger", 3, nil},
	{"resource/sandbox/persona", 3, []string{"resource/sandbox/ledger"}},
	{"resource/sandbox/paper", 3, nil},
	{"resource/sandbox/ofx", 3, []string{"resource/sandbox/ledger"}},
	{"resource/sandbox/csv", 3, []string{"resource/sandbox/ledger"}},
	{"resource/mapping", 3, nil},
	{"resource/upstream", 3, []string{"resource", "resource/mapping"}},
	{"resource/sqlviews", 3, []string{"resource", "resource/mapping", "resource/sqlviews/pkdd99"}}, // the latter in tests
	{"resource/sqlviews/pkdd99", 3, nil},
	{"consent/portal", 3, []string{"internal/passkey", "internal/passkey/passkeytest"}}, // in tests
	{"consent/api", 3, nil},

	// They implement what the levels above declare, and never import each other.
	{"internal/postgres", 4, nil},
	{"internal/redis", 4, nil},
	{"internal/outbox", 4, nil},
	{"internal/mail", 4, nil},
	{"internal/journal", 4, nil},

	// They watch, and know nothing of what they watch.
	{"internal/metrics", 4, nil},
	{"internal/trace", 4, nil},

	// Wiring, and what starts servers for development and tests.
	{"internal/services", 5, nil},
	{"internal/testenv", 5, []string{"internal/services"}},
	{"internal/testenv/cmd/withservices", 5, []string{"internal/services", "internal/testenv"}},
	{"internal/archtest", 5, nil},
	{"internal/openapi/generate", 5, nil},
	{"internal/openapi/openapitest", 5, nil},
	{"cmd/internal/config", 5, nil},
	{"cmd/internal/telemetry", 5, nil},
	{"cmd/internal/bank", 5, []string{"cmd/internal/config", "internal/testenv"}}, // the latter in tests
	{"cmd/internal/authzd", 5, []string{"cmd/internal/bank", "cmd/internal/config", "cmd/internal/telemetry"}},
	{"cmd/internal/gatewayd", 5, []string{"cmd/internal/bank", "cmd/internal/config", "cmd/internal/telemetry"}},
	{"cmd/internal/dev", 5, []string{"cmd/internal/...", "internal/services", "conformance/..."}},
	{"cmd/internal/bench", 5, []string{"cmd/internal/...", "internal/services"}},
	{"cmd/internal/e2e", 5, nil}, // tests only
	{"cmd/internal/stock", 5, nil},
	{"cmd/internal/stock/fill", 5, []string{"cmd/internal/config", "cmd/internal/stock"}},
	{"cmd/authzd", 5, []string{"cmd/internal/authzd", "cmd/internal/config"}},
	{"cmd/gatewayd", 5, []string{"cmd/internal/gatewayd", "cmd/internal/config"}},
	{"cmd/headgate", 5, []string{"cmd/internal/...", "internal/services", "conformance/..."}},

	// Black-box proof with a client of its own: a bug that it shared with us
	// would stay hidden.
	{"conformance/...", apart, []string{"conformance/..."}},
}

// A dependency that is let in at few places only.
type dependency struct {
	path  string   // the import path and everything below it
	only  []string // packages that may import it; empty: any
	files string   // and only in files that match; empty: any
}

var dependencies = []dependency{
	{path: "github.com/ory/fosite", only: []string{"authz/internal/engine"}},
	// conformance/fault reads the records as an auditor would, and breaks the
	// server; psql is not everywhere where there is a server.
	{path: "github.com/jackc/pgx/v5", only: []string{"internal/postgres", "resource/sandbox", "resource/sqlviews", "resource/sqlviews/pkdd99", "internal/testenv", "conformance/fault"}},
	{path: "github.com/redis/go-redis/v9", only: []string{"internal/redis"}},
	{path: "github.com/coreos/go-oidc", only: []string{"internal/banklogin"}},
	{path: "golang.org/x/oauth2", only: []string{"internal/banklogin"}},
	{path: "github.com/go-webauthn/webauthn", only: []string{"internal/passkey"}},
	{path: "github.com/wneessen/go-mail", only: []string{"internal/mail"}},
	{path: "codeberg.org/go-pdf/fpdf", only: []string{"resource/sandbox/paper"}},
	{path: "github.com/gin-gonic/gin", files: "http*.go"},
	{path: "github.com/getkin/kin-openapi", only: []string{"internal/openapi/generate", "internal/openapi/openapitest", "conformance/suite", "conformance/cases"}},
	{path: "github.com/chromedp", only: []string{"conformance/chromium"}},
	{path: "github.com/prometheus/client_golang", only: []string{"internal/metrics"}},
	{path: "go.opentelemetry.io/otel/sdk", only: []string{"internal/trace"}},
	{path: "go.opentelemetry.io/otel/exporters", only: []string{"internal/trace"}},
	{path: "golang.org/x/mod", only: []string{"internal/audit/ledger"}},
	{path: "github.com/exaring/otelpgx", only: []string{"internal/postgres"}},
	{path: "github.com/redis/go-redis/extra", only: []string{"internal/redis"}},
}

// standardOnly names packages that take nothing but the standard library,
// besides what their row allows.
var standardOnly = []string{"fdx"}

// A wall says what a package must not import, in its tests neither, and must not
// link through other packages. The rows say most of it already, but not for
// tests, and walls stay when rows move.
type wall struct {
	pkg   string
	never []string // ours or foreign
}

var walls = []wall{
	{pkg: "authz/...", never: []string{"resource/..."}},
	{pkg: "resource/...", never: []string{"authz/..."}},
	{pkg: "consent/portal", never: []string{"authz/..."}},
	{pkg: "consent/api", never: []string{"authz/...", "resource/...", "consent/portal"}},
	{pkg: "internal/postgres", never: []string{"internal/redis"}},
	{pkg: "internal/redis", never: []string{"internal/postgres"}},
	// A break-in at the gateway must not find the code that issues tokens.
	{pkg: "cmd/gatewayd", never: issuing},
	{pkg: "cmd/internal/gatewayd", never: issuing},
	// Production starts no servers of its own.
	{pkg: "cmd/gatewayd", never: launching},
	{pkg: "cmd/authzd", never: launching},
}

var (
	issuing   = []string{"authz/...", "github.com/ory/fosite/...", "consent/portal"}
	launching = []string{"internal/services", "internal/testenv"}
)
