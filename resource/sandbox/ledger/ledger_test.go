package ledger

import "testing"

func TestMask(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"":              "****",
		"7":             "****",
		"9100":          "****00",
		"1234567":       "****567",
		"12345678":      "****5678",
		"1234123412345": "****2345",
		"ÅÄÖé":          "****Öé",
	} {
		if got := Mask(number); got != want {
			t.Errorf("%q is shown as %q, want %q", number, got, want)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	if err := Faults(nil).Err(); err != nil {
		t.Errorf("no fault is the error %v", err)
	}
	fs := Faults{{File: "a", What: "is empty"}, {File: "b", Line: 3, At: "X Y", What: "is odd"}}
	if got := fs.Err().Error(); got != "a: is empty\nb:3: X Y: is odd" {
		t.Errorf("got %s", got)
	}
}
