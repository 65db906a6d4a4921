package main

import (
	"strings"
	"testing"
)

func TestNewPassword(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		"correct horse\n": true, "12345678": true, "åäöåäöåä\r\n": true, " spaces count ": true,
		"": false, "\n": false, "1234567\n89": false, strings.Repeat("a", 1025): false, "\xff\xff\xff\xff\xff\xff\xff\xff\n": false,
	} {
		hash, err := newPassword(strings.NewReader(in))
		if (err == nil) != ok || ok != strings.HasPrefix(hash, "$argon2id$") {
			t.Errorf("%d bytes: %v", len(in), err)
		}
	}
}
