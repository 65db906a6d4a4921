package pkdd99

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"testing"
)

func zipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // into memory
	_ = z.Close()
	return b.Bytes()
}

func TestReadTable(t *testing.T) {
	t.Parallel()
	const good = "\"a\";\"b\"\n1;\"x\"\n2;\"\"\n"
	for name, tt := range map[string]struct {
		file []byte
		want string // empty: refused
	}{
		"a table":                   {zipped(good), "[a b] [[1 x] [2 ]]"},
		"a last line that is cut":   {zipped(good + "3;\"y"), "[a b] [[1 x] [2 ]]"},
		"a header alone":            {zipped("\"a\";\"b\"\n"), "[a b] []"},
		"nothing":                   {zipped(""), ""},
		"a row that is too short":   {zipped(good + "3\n"), ""},
		"a row that is too long":    {zipped(good + "3;y;z\n"), ""},
		"a file that is cut":        {zipped(good)[:20], ""},
		"a file that is not zipped": {[]byte(good), ""},
	} {
		header, rows, err := readTable(bytes.NewReader(tt.file))
		if got := fmt.Sprint(header, " ", rows); (err == nil) != (tt.want != "") || err == nil && got != tt.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func FuzzReadTable(f *testing.F) {
	f.Add(zipped("\"a\";\"b\"\n1;\"x\"\n"))
	f.Add(zipped("a\n\"b"))
	f.Add([]byte("a;b\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		header, rows, err := readTable(bytes.NewReader(file))
		for _, row := range rows {
			if err == nil && len(row) != len(header) {
				t.Errorf("%d cells under %d columns", len(row), len(header))
			}
		}
	})
}
