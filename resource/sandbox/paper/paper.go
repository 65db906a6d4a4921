package paper

import (
	"embed"
	"errors"
	"fmt"
	"image"
	"image/png"
)

//go:embed fonts
var fonts embed.FS

// Config says whose papers they are.
type Config struct {
	// Bank is the name at the head. Required.
	Bank string
	// Address is the lines below it, none for no address.
	Address []string
}

// Printer makes papers. It is safe for concurrent use.
type Printer struct {
	bank    string
	address []string
	font    []byte
	letters letters
	glyphs  *image.Gray // the strip that cheques are written with
}

// ErrTooLong is returned for a statement of more than MaxLines lines.
var ErrTooLong = errors.New("paper: too many lines for a statement")

// New returns a Printer. It reads the fonts, once.
func New(cfg Config) (*Printer, error) {
	if cfg.Bank == "" {
		return nil, errors.New("paper: Config.Bank is required")
	}
	font, err := fonts.ReadFile("fonts/DejaVuSansCondensed.ttf")
	if err != nil {
		return nil, fmt.Errorf("paper: %w", err)
	}
	letters, err := lettersOf(font)
	if err != nil {
		return nil, fmt.Errorf("paper: %w", err)
	}
	f, err := fonts.Open("fonts/DejaVuSansMono-26px.png")
	if err != nil {
		return nil, fmt.Errorf("paper: %w", err)
	}
	defer f.Close()
	strip, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("paper: glyphs: %w", err)
	}
	glyphs, ok := strip.(*image.Gray)
	if !ok {
		return nil, errors.New("paper: glyphs are not grey")
	}
	return &Printer{bank: cfg.Bank, address: cfg.Address, font: font, letters: letters, glyphs: glyphs}, nil
}
