package mapping

import (
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the zones of a mapping file must be known on every machine
)

// timeForm is how a bank writes days and times.
type timeForm struct {
	format string // "", epoch, epoch-millis, or a layout
	layout []layoutPart
	zone   *time.Location // nil for UTC
	pivot  int
}

// layoutPart is a part of a layout: a number, or text that stands there as it is.
type layoutPart struct {
	unit     byte // Y, M, D, h, m, s; 0 for text
	min, max int  // digits
	text     string
}

// units are the parts of a layout, longest first.
var units = []struct {
	name     string
	unit     byte
	min, max int
}{
	{"YYYY", 'Y', 4, 4}, {"YY", 'Y', 2, 2}, {"MM", 'M', 2, 2}, {"DD", 'D', 2, 2}, {"hh", 'h', 2, 2}, {"mm", 'm', 2, 2}, {"ss", 's', 2, 2},
	{"M", 'M', 1, 2}, {"D", 'D', 1, 2},
}

const notTime = "is not a day or time as the rule describes it"

// moment is what was read: a day, and perhaps a time of that day.
type moment struct {
	t     time.Time
	timed bool // without it, t is midnight UTC of the day
}

// parse reads a text.
func (f timeForm) parse(text string) (moment, bool) {
	switch {
	case len(text) > maxNumberLength:
		return moment{}, false
	case f.format == "epoch", f.format == "epoch-millis":
		n, err := strconv.ParseInt(text, 10, 64)
		// Beyond this the calendar has no four-digit year, in either unit.
		const limit = 253402300800000
		if err != nil || n > limit || n < -limit {
			return moment{}, false
		}
		if f.format == "epoch" {
			return f.timed(time.Unix(n, 0))
		}
		return f.timed(time.UnixMilli(n))
	case f.layout != nil:
		return f.parseLayout(text)
	}
	return f.parseISO(text)
}

// timed returns a point in time in the zone of the rule.
func (f timeForm) timed(t time.Time) (moment, bool) {
	t = t.In(f.location())
	return moment{t, true}, t.Year() >= 1 && t.Year() <= 9999
}

func (f timeForm) location() *time.Location {
	if f.zone == nil {
		return time.UTC
	}
	return f.zone
}

// parseISO reads what ISO 8601, RFC 3339 and PostgreSQL write: a day, or a day
// and a time with or without an offset.
func (f timeForm) parseISO(text string) (moment, bool) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return moment{t, false}, t.Year() >= 1
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07", "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return f.timed(t)
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05", time.DateTime} {
		if t, err := time.ParseInLocation(layout, text, f.location()); err == nil {
			return f.timed(t)
		}
	}
	return moment{}, false
}

func (f timeForm) parseLayout(text string) (moment, bool) {
	n := map[byte]int{'M': 1, 'D': 1}
	timed := false
	for _, k := range f.layout {
		if k.unit == 0 {
			rest, ok := strings.CutPrefix(text, k.text)
			if !ok {
				return moment{}, false
			}
			text = rest
			continue
		}
		have := 0
		for have < len(text) && have < k.max && text[have] >= '0' && text[have] <= '9' {
			have++
		}
		if have < k.min {
			return moment{}, false
		}
		v, _ := strconv.Atoi(text[:have])
		if k.unit == 'Y' && k.max == 2 {
			if v += 1900; v < 1900+f.pivot {
				v += 100
			}
		}
		n[k.unit], text = v, text[have:]
		timed = timed || k.unit == 'h'
	}
	where := time.UTC
	if timed {
		where = f.location()
	}
	t := time.Date(n['Y'], time.Month(n['M']), n['D'], n['h'], n['m'], n['s'], 0, where)
	day := time.Date(n['Y'], time.Month(n['M']), n['D'], 0, 0, 0, 0, time.UTC)
	if text != "" || n['Y'] < 1 || day.Month() != time.Month(n['M']) || day.Day() != n['D'] || n['h'] > 23 || n['m'] > 59 || n['s'] > 59 {
		return moment{}, false
	}
	return moment{t, timed}, true
}

// newTimeForm checks the keys of a rule about days and times.
func newTimeForm(r rule, fault func(string)) timeForm {
	f := timeForm{format: r.Format}
	timed := true
	switch r.Format {
	case "", "iso", "epoch", "epoch-millis":
	default:
		if f.layout = parseLayoutText(r.Format); f.layout == nil {
			fault("format is iso, epoch, epoch-millis, or made of YYYY or YY, MM, DD, hh, mm, ss, or M and D for one or two digits")
			return f
		}
		years, has := 0, map[byte]bool{}
		for _, k := range f.layout {
			if has[k.unit] && k.unit != 0 {
				fault("format names a part twice")
			}
			has[k.unit] = true
			if k.unit == 'Y' {
				years = k.max
			}
		}
		if !has['Y'] || !has['M'] || !has['D'] {
			fault("format has to name the year, the month and the day")
		}
		timed = has['h']
		if (has['m'] || has['s']) && !has['h'] {
			fault("format has minutes or seconds without hours")
		}
		switch {
		case years == 2 && r.Pivot == nil:
			fault("a year of two digits needs pivot: below it the century is 20, from it on 19; 0 is always 19, 100 always 20")
		case years == 2 && (*r.Pivot < 0 || *r.Pivot > 100):
			fault("pivot is 0 to 100")
		case years == 2:
			f.pivot = *r.Pivot
		}
	}
	if r.Pivot != nil && !strings.Contains(strings.ReplaceAll(r.Format, "YYYY", ""), "YY") {
		fault("pivot is for a format with YY")
	}
	if r.Zone != "" {
		zone, err := time.LoadLocation(r.Zone)
		if err != nil || r.Zone == "Local" {
			fault("zone is not a time zone such as Europe/Prague")
		}
		if !timed {
			fault("zone has no effect on days without a time: remove it")
		}
		f.zone = zone
	}
	return f
}

// parseLayoutText returns the parts of a layout, nil when it is none. Letters
// that are no unit are refused, so that a misspelt unit is not taken for text,
// except the T between a day and a time.
func parseLayoutText(s string) []layoutPart {
	var out []layoutPart
next:
	for s != "" {
		for _, u := range units {
			if rest, ok := strings.CutPrefix(s, u.name); ok {
				out = append(out, layoutPart{unit: u.unit, min: u.min, max: u.max})
				s = rest
				continue next
			}
		}
		if c := s[0]; !strings.ContainsRune(" .-/:T,", rune(c)) {
			return nil
		}
		out = append(out, layoutPart{text: s[:1]})
		s = s[1:]
	}
	return out
}
