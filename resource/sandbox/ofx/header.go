package ofx

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/headgate/headgate/resource/sandbox/ledger"
)

// MaxSize is the largest statement file that is read, in bytes.
const MaxSize = 20 << 20

var rootTag = regexp.MustCompile(`(?i)<OFX\s*>`)

// body is the part of a statement file from <OFX> on, as UTF-8.
type body struct {
	text string
	line int // of the first byte of text, 1-based
}

// readBody reads a whole file and splits its header off. Banks send OFX 1.x
// with nine "KEY:VALUE" lines, OFX 2.x with two processing instructions, and
// some leave the header out or put blank lines before it; only what changes
// the meaning of the body is looked at.
func readBody(file string, r io.Reader) (body, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return body{}, err
	}
	refuse := func(line int, at, what string) (body, error) {
		return body{}, ledger.Faults{{File: file, Line: line, At: at, What: what}}
	}
	switch {
	case len(raw) > MaxSize:
		return refuse(0, "", "is larger than 20 MiB; export a shorter period")
	case len(bytes.TrimSpace(raw)) == 0:
		return refuse(0, "", "is empty")
	case bytes.HasPrefix(raw, []byte{0xFF, 0xFE}), bytes.HasPrefix(raw, []byte{0xFE, 0xFF}):
		return refuse(1, "", "is UTF-16; save it as UTF-8")
	case bytes.IndexByte(raw, 0) >= 0:
		return refuse(1, "", "is not a text file")
	}
	text := decode(bytes.TrimPrefix(raw, []byte("\xEF\xBB\xBF")))

	root := rootTag.FindStringIndex(text)
	if root == nil {
		return refuse(1, "", "is not an OFX file: there is no <OFX> in it")
	}
	start := root[0]
	header := text[:start]
	for n, line := range strings.Split(header, "\n") {
		key, value, found := strings.Cut(strings.TrimSpace(line), ":")
		if found && key == "COMPRESSION" && strings.TrimSpace(value) != "NONE" {
			return refuse(n+1, key, "compressed bodies are not supported")
		}
	}
	return body{text: text[start:], line: 1 + strings.Count(header, "\n")}, nil
}

// decode returns b as UTF-8. The declared character set is not trusted: many
// banks write CHARSET:1252 above UTF-8, and text in Windows-1252 or ISO 8859-1
// is hardly ever valid UTF-8 by chance.
func decode(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	out, err := charmap.Windows1252.NewDecoder().Bytes(b)
	if err != nil { // it maps every byte, so this cannot happen
		return strings.ToValidUTF8(string(b), "?")
	}
	return string(out)
}
