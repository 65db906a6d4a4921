package portal

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// luminance is the relative luminance of WCAG 2.2 of a colour #rrggbb.
func luminance(t *testing.T, s string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "#"), 16, 24)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(v uint64) float64 {
		c := float64(v&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
}

// Marks of charts are seen against the card (WCAG 2.2, 1.4.11), and each is
// drawn by a pattern of its own (1.4.1).
func TestMarksCanBeSeen(t *testing.T) {
	t.Parallel()
	css := string(historyCSS)
	light, dark, ok := strings.Cut(css[:strings.Index(css, "@layer parts")], "@media")
	if !ok {
		t.Fatal("no dark scheme")
	}
	for surface, block := range map[string]string{"#ffffff": light, "#192026": dark} {
		marks := regexp.MustCompile(`--mark-[a-e]: (#[0-9a-f]{6})`).FindAllStringSubmatch(block, -1)
		if len(marks) != series+1 {
			t.Errorf("%d marks on %s", len(marks), surface)
		}
		for _, m := range marks {
			x, y := luminance(t, m[1]), luminance(t, surface)
			if ratio := (max(x, y) + 0.05) / (min(x, y) + 0.05); ratio < 3 {
				t.Errorf("%s on %s has %.2f", m[1], surface, ratio)
			}
		}
	}
	page, err := templates.ReadFile("templates/history.html")
	if err != nil {
		t.Fatal(err)
	}
	for s := 2; s <= series+1; s++ {
		if !strings.Contains(string(page), `<pattern id="mark_`+strconv.Itoa(s)+`"`) {
			t.Errorf("series %d has no pattern", s)
		}
	}
	for _, bad := range []string{"url(", "@import", "http:", "https:"} {
		if strings.Contains(css, bad) {
			t.Errorf("the style sheet holds %s", bad)
		}
	}
}
