package ui

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// colour is an sRGB colour.
type colour struct{ r, g, b uint8 }

// errColour is returned for text that is not #rrggbb.
var errColour = errors.New("not a colour in the form #rrggbb")

func parseColour(s string) (colour, error) {
	if len(s) != 7 || s[0] != '#' {
		return colour{}, errColour
	}
	n, err := strconv.ParseUint(s[1:], 16, 24)
	if err != nil {
		return colour{}, errColour
	}
	return colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}, nil
}

// String returns #rrggbb.
func (c colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// luminance is the relative luminance of WCAG 2.2.
func (c colour) luminance() float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

// contrast is the contrast ratio of WCAG 2.2, from 1 to 21.
func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// hsl returns hue (0 to 6), saturation and lightness (0 to 1).
func (c colour) hsl() (h, s, l float64) {
	r, g, b := float64(c.r)/255, float64(c.g)/255, float64(c.b)/255
	high, low := max(r, g, b), min(r, g, b)
	l = (high + low) / 2
	span := high - low
	if span == 0 {
		return 0, 0, l
	}
	s = span / (1 - math.Abs(2*l-1))
	switch high {
	case r:
		h = math.Mod((g-b)/span+6, 6)
	case g:
		h = (b-r)/span + 2
	default:
		h = (r-g)/span + 4
	}
	return h, s, l
}

func fromHSL(h, s, l float64) colour {
	chroma := (1 - math.Abs(2*l-1)) * s
	x := chroma * (1 - math.Abs(math.Mod(h, 2)-1))
	var r, g, b float64
	switch int(h) {
	case 0:
		r, g = chroma, x
	case 1:
		r, g = x, chroma
	case 2:
		g, b = chroma, x
	case 3:
		g, b = x, chroma
	case 4:
		r, b = x, chroma
	default:
		r, b = chroma, x
	}
	part := func(v float64) uint8 { return uint8(math.Round((v + l - chroma/2) * 255)) }
	return colour{part(r), part(g), part(b)}
}

// readable returns the shade of c, lighter or darker, that has a contrast of
// at least ratio with all of against and is nearest to c. A bank's own colour
// stays as it is where it can and gives way where people could not read it.
func (c colour) readable(lighter bool, ratio float64, against ...colour) colour {
	h, s, l := c.hsl()
	end := 0.0
	if lighter {
		end = 1
		s = min(s, 0.6) // bright text on a dark page glares when it is pure
	}
	const steps = 200
	for i := range steps {
		shade := fromHSL(h, s, l+(end-l)*float64(i)/steps)
		ok := true
		for _, a := range against {
			ok = ok && contrast(shade, a) >= ratio
		}
		if ok {
			return shade
		}
	}
	return fromHSL(h, s, end)
}
