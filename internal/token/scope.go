package token

// ScopeNotifications is the scope of clients' own tokens that opens the
// notification endpoints of FDX.
const ScopeNotifications = "fdx:notifications:subscribe"

// The scopes of clients' own tokens (ClientAccess) for grants. They open the grant
// management API (Grant Management for OAuth 2.0 section 6) and the consent
// endpoints of FDX, which are two views of the same grants with the same
// rights. FDX names no scopes for those.
const (
	ScopeGrantQuery  = "grant_management_query"
	ScopeGrantRevoke = "grant_management_revoke"
)
