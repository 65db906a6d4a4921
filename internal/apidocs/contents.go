package apidocs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// contents is what the plain page shows of the document.
type contents struct {
	Title, Version, About string
	Families              []family
}

// Paragraphs returns About by paragraphs.
func (c contents) Paragraphs() []string { return strings.Split(c.About, "\n\n") }

// family is the operations under one heading.
type family struct {
	Name       string
	Operations []operation
}

type operation struct {
	ID, Method, Path, Summary, About string
	Parameters                       []parameter
	Answers                          []answer
}

type parameter struct {
	Name, In, About string
	Required        bool
}

type answer struct{ Status, About string }

// readContents reads the document, operations sorted by path.
func readContents(document []byte) (contents, error) {
	type param struct {
		Ref         string `json:"$ref"`
		Name        string `json:"name"`
		In          string `json:"in"`
		Description string `json:"description"`
		Required    bool   `json:"required"`
	}
	var doc struct {
		Info struct {
			Title       string `json:"title"`
			Version     string `json:"version"`
			Description string `json:"description"`
		} `json:"info"`
		Tags []struct {
			Name string `json:"name"`
		} `json:"tags"`
		Paths map[string]map[string]struct {
			ID          string   `json:"operationId"`
			Tags        []string `json:"tags"`
			Summary     string   `json:"summary"`
			Description string   `json:"description"`
			Parameters  []param  `json:"parameters"`
			Responses   map[string]struct {
				Description string `json:"description"`
			} `json:"responses"`
		} `json:"paths"`
		Components struct {
			Parameters map[string]param `json:"parameters"`
		} `json:"components"`
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return contents{}, err
	}
	c := contents{Title: doc.Info.Title, Version: doc.Info.Version, About: doc.Info.Description}
	for _, t := range doc.Tags {
		f := family{Name: t.Name}
		for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
			for _, method := range slices.Sorted(maps.Keys(doc.Paths[path])) {
				from := doc.Paths[path][method]
				if !slices.Contains(from.Tags, t.Name) {
					continue
				}
				op := operation{ID: from.ID, Method: strings.ToUpper(method), Path: path, Summary: from.Summary, About: from.Description}
				for _, p := range from.Parameters {
					if p.Ref != "" {
						p = doc.Components.Parameters[p.Ref[strings.LastIndex(p.Ref, "/")+1:]]
					}
					op.Parameters = append(op.Parameters, parameter{p.Name, p.In, p.Description, p.Required})
				}
				for _, status := range slices.Sorted(maps.Keys(from.Responses)) {
					op.Answers = append(op.Answers, answer{status, from.Responses[status].Description})
				}
				f.Operations = append(f.Operations, op)
			}
		}
		if f.Operations == nil {
			return contents{}, fmt.Errorf("nothing under the heading %s", t.Name)
		}
		c.Families = append(c.Families, f)
	}
	return c, nil
}
