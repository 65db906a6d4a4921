package fdx

// HateoasLink is the address of something that belongs to an entity, such as
// the document of a statement.
type HateoasLink struct {
	// Href is a URI reference (RFC 3986 section 4.1); always given.
	Href string `json:"href,omitzero"`
	// Action is the HTTP method; none means GET.
	Action HTTPAction `json:"action,omitzero"`
	// Rel is how the target relates to the entity (RFC 8288 section 2.1).
	Rel string `json:"rel,omitzero"`
	// Types are the forms the target can be fetched in.
	Types []ContentType `json:"types,omitempty"`
}

// HTTPAction is an HTTP method.
type HTTPAction string

// The HTTP methods of links.
const (
	ActionDelete HTTPAction = "DELETE"
	ActionGet    HTTPAction = "GET"
	ActionPatch  HTTPAction = "PATCH"
	ActionPost   HTTPAction = "POST"
	ActionPut    HTTPAction = "PUT"
)

// ContentType is a form in which a document or an image travels.
type ContentType string

// The content types of FDX.
const (
	GIF  ContentType = "image/gif"
	JPEG ContentType = "image/jpeg"
	JSON ContentType = "application/json"
	PDF  ContentType = "application/pdf"
	PNG  ContentType = "image/png"
	TIFF ContentType = "image/tiff"
	ZIP  ContentType = "application/zip"
)

// DocumentTypes returns the forms of a statement document and of a
// transaction image, the preferred one first. The caller owns the slice.
func DocumentTypes() []ContentType {
	return []ContentType{PDF, PNG, JPEG, GIF, TIFF}
}

// TermsTypes returns the forms of terms and conditions, the preferred one
// first. FDX has a JSON form too, but its members are not public. The caller
// owns the slice.
func TermsTypes() []ContentType {
	return []ContentType{PDF, ZIP}
}
