package suite

// Once returns what produce makes, once per run: for what a target gives out
// only once, and for what is too dear to make for every case. When it cannot
// be made, every case that needs it has failed.
func Once[V any](t *T, name string, produce func(t *T) V) V {
	return share(t, "once "+name, 0, produce)
}
