package openapitest

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/openapi"
)

// Probes returns texts that the schema of a query parameter takes, as far as
// it alone can tell, and texts that it does not take. It panics at a limit
// that it does not know, so that none goes untried.
func (d *Document) Probes(p openapi.Parameter) (good, bad []string) {
	for limit, value := range p.Limits {
		switch limit {
		case "minimum":
			good, bad = append(good, fmt.Sprint(value)), append(bad, fmt.Sprint(value.(int)-1), "x")
		case "maximum":
			good, bad = append(good, fmt.Sprint(value)), append(bad, fmt.Sprint(value.(int)+1))
		case "default":
			good = append(good, fmt.Sprint(value))
		case "pattern":
			bad = append(bad, "", "a_b", strings.Repeat("a", 65))
		case "minLength":
			bad = append(bad, "")
		case "maxLength":
			bad = append(bad, strings.Repeat("a", value.(int)+1))
		case "maxItems":
			bad = append(bad, strings.Repeat("a", fdx.MaxIDLength+1), Many(value.(int)+1))
		default:
			panic("nothing checks " + limit)
		}
	}
	if p.Type == reflect.TypeFor[fdx.Date]() {
		bad = append(bad, "x", "", "2026-11-31")
	}
	named, _ := d.schemas()[p.Type.Name()].(map[string]any)
	if values, ok := named["enum"].([]any); ok {
		for _, v := range values {
			good = append(good, v.(string))
		}
		bad = append(bad, "x", "")
	}
	if longest, ok := named["maxLength"].(float64); ok {
		good = append(good, "a", strings.Repeat("a", int(longest)))
		bad = append(bad, "", strings.Repeat("a", int(longest)+1))
	}
	return good, bad
}

// Many returns n different ids with commas between.
func Many(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = strconv.Itoa(i)
	}
	return strings.Join(list, ",")
}
