package consent

// StopAnswer is why a person says that they stopped sharing. It is a choice
// from a list, so that answers can be counted and hold nothing about anybody.
type StopAnswer string

// The answers.
const (
	AnswerTooMuch StopAnswer = "too_much" // it asked for too much
	AnswerUnknown StopAnswer = "unknown"  // the person did not know it
	AnswerUnused  StopAnswer = "unused"   // the person does not use it any more
	AnswerOther   StopAnswer = "other"
)

// Known reports whether a is one of the answers.
func (a StopAnswer) Known() bool {
	switch a {
	case AnswerTooMuch, AnswerUnknown, AnswerUnused, AnswerOther:
		return true
	}
	return false
}
