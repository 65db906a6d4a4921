package suite

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Severity says how bad it is when a case fails, in the words of RFC 2119.
type Severity string

// The severities. Failing a May is worth knowing and fails no run.
const (
	Must   Severity = "must"
	Should Severity = "should"
	May    Severity = "may"
)

// Source is where an expectation comes from: how much it holds for a
// deployment of somebody else.
type Source string

// The sources.
const (
	// FromSpec is the text of a specification.
	FromSpec Source = "specification"
	// FromShapes are shapes of FDX that others have published; they may lag
	// behind the specification.
	FromShapes Source = "published shapes"
	// FromOwn is what the deployment has published about itself.
	FromOwn Source = "own document"
)

// aside is what stands behind the Spec in reports.
func (s Source) aside() string {
	if s == FromSpec || s == "" {
		return ""
	}
	return "; " + string(s)
}

// From is where the case's expectation comes from, never "".
func (c Case) From() Source {
	switch {
	case c.Source != "":
		return c.Source
	case strings.Contains(c.Spec, "documented contract"):
		return FromOwn
	}
	return FromSpec
}

// Case is one thing that a deployment has to do.
type Case struct {
	// ID names the case for good: group.subject.what-is-done, in lower case,
	// such as token.pkce.wrong-verifier. Its first part is the group.
	ID string
	// Title is the claim that the case checks, as a sentence without a full
	// stop: "a wrong code_verifier is refused".
	Title string
	// Spec is the document and the section that demand it: "RFC 7636, 4.6".
	Spec string
	// Source is where the exact expectation comes from. The zero value means
	// FromSpec, or FromOwn for a Spec that says "documented contract".
	Source Source
	// Severity of a failure. The zero value means Must.
	Severity Severity
	// Needs lists what the target has to claim for the case to apply.
	Needs []Claim
	// Mend says how to put a deployment right that fails the case: one or
	// two sentences to its engineers.
	Mend string
	// Alone has the case run while no other does.
	Alone bool
	// Waits: the case does little but wait for something to expire, so that
	// it starts first and takes the place of no other.
	Waits bool
	// Run does it. It ends by itself, by t.Fatalf or by a T method that
	// fails.
	Run func(t *T)
}

// Group is the first part of the case's ID.
func (c Case) Group() string {
	group, _, _ := strings.Cut(c.ID, ".")
	return group
}

var caseID = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)

// Check returns what is wrong with the cases themselves: an ID that is not
// one or is there twice, or a case that says too little.
func Check(cases []Case) error {
	seen := map[string]bool{}
	for _, c := range cases {
		switch {
		case !caseID.MatchString(c.ID):
			return fmt.Errorf("case %q: an ID is group.subject.what, in lower case", c.ID)
		case seen[c.ID]:
			return fmt.Errorf("case %s is there twice", c.ID)
		case c.Title == "", c.Spec == "", c.Mend == "", c.Run == nil:
			return fmt.Errorf("case %s needs Title, Spec, Mend and Run", c.ID)
		case !slices.Contains([]Severity{"", Must, Should, May}, c.Severity):
			return fmt.Errorf("case %s: severity %q is none", c.ID, c.Severity)
		}
		for _, claim := range c.Needs {
			if !slices.Contains(Claims(), claim) {
				return fmt.Errorf("case %s needs the claim %q, which does not exist", c.ID, claim)
			}
		}
		seen[c.ID] = true
	}
	return nil
}
