package outbox_test

import (
	"net/http"
	"os"
	"regexp"
	"testing"

	"github.com/headgate/headgate/internal/outbox"
)

// The example in the documentation verifies as the documentation says.
func TestTheDocumentedExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	find := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindSubmatch(text)
		if m == nil {
			t.Fatalf("no %s", pattern)
		}
		return string(m[1])
	}
	keys, body := find("(?m)^(\\{\"keys\".*)$"), find("(?m)^(\\{\"notificationId\".*)$")
	signature := find("(?m)^" + outbox.SignatureHeader + ": (\\S+\\.\\.\\S{20,})$")
	jti, err := verifyFor([]byte(keys), received{header: http.Header{outbox.SignatureHeader: {signature}}, body: []byte(body)}, "https://auth.bank.example", "budgetbee")
	if err != nil || jti != "5d1d3a2e-8c0b-4e0e-9a35-6a0f6f1f2c77" {
		t.Errorf("%q (%v)", jti, err)
	}
}
