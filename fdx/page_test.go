package fdx_test

import (
	"encoding/json"
	"testing"

	"github.com/headgate/headgate/fdx"
)

func TestPage(t *testing.T) {
	t.Parallel()
	type answer struct {
		Page  fdx.PageMetadata `json:"page,omitzero"`
		Links fdx.Links        `json:"links,omitzero"`
	}
	for claim, row := range map[string]struct {
		answer answer
		want   string
	}{
		"a middle page names both neighbours, the next one under its old name too": {
			answer{
				fdx.PageMetadata{NextPageKey: "n", PreviousPageKey: "p", TotalElements: 7},
				fdx.Links{Next: fdx.Link{Href: "/a?pageKey=n"}, Prev: fdx.Link{Href: "/a?pageKey=p"}},
			},
			`{"page":{"nextPageKey":"n","nextOffset":"n","previousPageKey":"p","totalElements":7},"links":{"next":{"href":"/a?pageKey=n"},"prev":{"href":"/a?pageKey=p"}}}`,
		},
		"the last page has no next, not even null": {
			answer{
				fdx.PageMetadata{PreviousPageKey: "p"},
				fdx.Links{Prev: fdx.Link{Href: "/a?pageKey=p"}},
			},
			`{"page":{"previousPageKey":"p"},"links":{"prev":{"href":"/a?pageKey=p"}}}`,
		},
		"a single page has neither member": {answer{}, `{}`},
	} {
		if got, err := json.Marshal(row.answer); err != nil || string(got) != row.want {
			t.Errorf("%s: got %s, %v", claim, got, err)
		}
	}
}

func TestPageReadsTheOldName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]fdx.PageMetadata{
		`{"nextOffset":"o"}`:                                          {NextPageKey: "o"},
		`{"nextOffset":"o","nextPageKey":"n"}`:                        {NextPageKey: "n"},
		`{"nextPageKey":"n","previousPageKey":"p","totalElements":3}`: {NextPageKey: "n", PreviousPageKey: "p", TotalElements: 3},
		`{}`: {},
	} {
		got := fdx.PageMetadata{NextPageKey: "stale"}
		if err := json.Unmarshal([]byte(in), &got); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", in, got, err)
		}
	}
	kept := fdx.PageMetadata{NextPageKey: "kept"}
	if err := json.Unmarshal([]byte(`{"nextPageKey":1}`), &kept); err == nil || kept.NextPageKey != "kept" {
		t.Errorf("a number as key: got %+v, %v", kept, err)
	}
}
