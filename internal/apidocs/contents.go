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
	Types                 []entity
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
	Body                             form // of the request; zero for none
	Answers                          []answer
}

type parameter struct {
	Name, In, About string
	Required        bool
}

type answer struct {
	Status, About string
	Form          form
}

// entity is a schema with a name.
type entity struct {
	Name, About string
	// Values are all that it can be, Examples some; OneOf are the names of
	// the entities of which it is one.
	Values, Examples, OneOf []string
	Properties              []property
}

type property struct {
	Name, About string
	Required    bool
	Form        form
}

// form says what a value looks like: a list of them or one, of the entity Ref
// or else as Text says.
type form struct {
	List      bool
	Ref, Text string
}

// schema is a schema as it stands in the document.
type schema struct {
	Ref         string            `json:"$ref"`
	Type        string            `json:"type"`
	Format      string            `json:"format"`
	Const       string            `json:"const"`
	Description string            `json:"description"`
	Enum        []string          `json:"enum"`
	Examples    []string          `json:"examples"`
	Properties  map[string]schema `json:"properties"`
	Required    []string          `json:"required"`
	Items       *schema           `json:"items"`
	OneOf       []schema          `json:"oneOf"`
	AllOf       []schema          `json:"allOf"`
}

func (s schema) form() form {
	switch {
	case s.Items != nil:
		f := s.Items.form()
		f.List = true
		return f
	case len(s.AllOf) > 0:
		return s.AllOf[0].form()
	case s.Ref != "":
		return form{Ref: last(s.Ref)}
	case s.Const != "":
		return form{Text: s.Const}
	case s.Format != "":
		return form{Text: s.Format}
	}
	return form{Text: s.Type}
}

func (s schema) entity(name string) entity {
	e := entity{Name: name, About: s.Description, Values: s.Enum, Examples: s.Examples}
	for _, one := range s.OneOf {
		e.OneOf = append(e.OneOf, last(one.Ref))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		e.Properties = append(e.Properties, property{name, p.Description, slices.Contains(s.Required, name), p.form()})
	}
	return e
}

// last returns the last part of a reference.
func last(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] }

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
			Body        struct {
				Content map[string]struct {
					Schema schema `json:"schema"`
				} `json:"content"`
			} `json:"requestBody"`
			Responses map[string]struct {
				Description string `json:"description"`
				Content     map[string]struct {
					Schema schema `json:"schema"`
				} `json:"content"`
			} `json:"responses"`
		} `json:"paths"`
		Components struct {
			Parameters map[string]param  `json:"parameters"`
			Schemas    map[string]schema `json:"schemas"`
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
						p = doc.Components.Parameters[last(p.Ref)]
					}
					op.Parameters = append(op.Parameters, parameter{p.Name, p.In, p.Description, p.Required})
				}
				for _, content := range from.Body.Content { // there is one form at most
					op.Body = content.Schema.form()
				}
				for _, status := range slices.Sorted(maps.Keys(from.Responses)) {
					a := answer{Status: status, About: from.Responses[status].Description, Form: form{Text: "empty"}}
					for _, kind := range slices.Sorted(maps.Keys(from.Responses[status].Content)) {
						if a.Form = from.Responses[status].Content[kind].Schema.form(); a.Form == (form{}) {
							a.Form.Text = "a document"
						}
					}
					op.Answers = append(op.Answers, a)
				}
				f.Operations = append(f.Operations, op)
			}
		}
		if f.Operations == nil {
			return contents{}, fmt.Errorf("nothing under the heading %s", t.Name)
		}
		c.Families = append(c.Families, f)
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		c.Types = append(c.Types, doc.Components.Schemas[name].entity(name))
	}
	return c, nil
}
