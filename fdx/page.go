package fdx

import (
	"cmp"
	"encoding/json"
	"strconv"
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
func (p PageMetadata) MarshalJSON() ([]byte, error) { return p.append(nil), nil }

// append appends what MarshalJSON writes.
func (p PageMetadata) append(b []byte) []byte {
	var o object
	b = append(b, '{')
	if p.NextPageKey != "" {
		b = appendText(o.name(b, "nextPageKey"), p.NextPageKey)
		b = appendText(o.name(b, "nextOffset"), p.NextPageKey)
	}
	if p.PreviousPageKey != "" {
		b = appendText(o.name(b, "previousPageKey"), p.PreviousPageKey)
	}
	if p.TotalElements != 0 {
		b = strconv.AppendInt(o.name(b, "totalElements"), int64(p.TotalElements), 10)
	}
	return append(b, '}')
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

// append appends what encoding/json writes.
func (l Links) append(b []byte) []byte {
	var o object
	b = append(b, '{')
	if l.Next != (Link{}) {
		b = append(appendText(append(o.name(b, "next"), `{"href":`...), l.Next.Href), '}')
	}
	if l.Prev != (Link{}) {
		b = append(appendText(append(o.name(b, "prev"), `{"href":`...), l.Prev.Href), '}')
	}
	return append(b, '}')
}

// object is a JSON object on its way: whether it has a member yet.
type object bool

// name appends the name of the next member.
func (o *object) name(b []byte, name string) []byte {
	if *o {
		b = append(b, ',')
	}
	*o = true
	return append(append(append(b, '"'), name...), `":`...)
}

// Link is an address.
type Link struct {
	// Href is a URI reference (RFC 3986 section 4.1).
	Href string `json:"href"`
}
