package recipient

// Secret is a token, a code or a verifier. It prints as [secret], so that it
// does not end up in a log; convert it with string to use it.
type Secret string

// String hides the value.
func (Secret) String() string { return "[secret]" }

// GoString hides the value.
func (Secret) GoString() string { return "[secret]" }

// MarshalText hides the value from encoders, structured loggers among them.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }
