package fdx

import (
	"cmp"
	"encoding/json"
)

// PageMetadata tells where the neighbouring pages are. On the last page
// NextPageKey is empty and absent from the JSON, and a client stops there.
type PageMetadata struct {
	// NextPageKey is the opaque pageKey of the next page. The JSON repeats
	// it as nextOffset, which older clients read.
	NextPageKey string
	// PreviousPageKey is the opaque pageKey of the previous page.
	PreviousPageKey string
	// TotalElements counts what the grant lets through over all pages; 0 is
	// left out.
	TotalElements int
}

type pageMetadataJSON struct {
	NextPageKey     string `json:"nextPageKey,omitempty"`
	NextOffset      string `json:"nextOffset,omitempty"`
	PreviousPageKey string `json:"previousPageKey,omitempty"`
	TotalElements   int    `json:"totalElements,omitempty"`
}

// MarshalJSON returns the FDX PageMetadata entity, with the deprecated
// nextOffset always equal to nextPageKey.
func (p PageMetadata) MarshalJSON() ([]byte, error) {
	return json.Marshal(pageMetadataJSON{
		NextPageKey:     p.NextPageKey,
		NextOffset:      p.NextPageKey,
		PreviousPageKey: p.PreviousPageKey,
		TotalElements:   p.TotalElements,
	})
}

// UnmarshalJSON reads the FDX PageMetadata entity; nextOffset stands in when
// there is no nextPageKey.
func (p *PageMetadata) UnmarshalJSON(data []byte) error {
	var parsed pageMetadataJSON
	if err := json.Unmarshal(data, &parsed); err != nil {
		return err
	}
	*p = PageMetadata{
		NextPageKey:     cmp.Or(parsed.NextPageKey, parsed.NextOffset),
		PreviousPageKey: parsed.PreviousPageKey,
		TotalElements:   parsed.TotalElements,
	}
	return nil
}

// Links holds the addresses of the neighbouring pages, with the filter
// parameters of the request. A zero Link is left out.
type Links struct {
	Next Link `json:"next,omitzero"`
	Prev Link `json:"prev,omitzero"`
}

// Link is an address.
type Link struct {
	// Href is a URI reference (RFC 3986 section 4.1).
	Href string `json:"href"`
}
