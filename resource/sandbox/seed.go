package sandbox

import (
	"context"
	"time"

	"github.com/headgate/headgate/resource/sandbox/persona"
)

// personaSeed decides what the personas' lives look like in detail.
const personaSeed = 20_260_101

// Persona is a made-up customer of the sandbox bank, for signing in during
// development.
type Persona struct {
	Username string
	Password string
	About    string
}

// Personas returns everyone that Seed makes.
func Personas() []Persona {
	var out []Persona
	for _, p := range persona.All() {
		out = append(out, Persona{Username: p.Username, Password: DevPassword(p.Username), About: p.About})
	}
	return out
}

// Seed loads the personas as they are at the start of the day of now. Loading
// them again on the same day changes nothing; on a later day it adds what has
// happened since.
func Seed(ctx context.Context, s *Store, now time.Time) (Report, error) {
	return s.load(ctx, persona.Batch(personaSeed, now), nil)
}
