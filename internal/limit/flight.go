package limit

// Flight bounds how many requests are on their way at a time. Nobody waits for
// a place: a queue would only make everybody late. The zero value bounds
// nothing. Safe for concurrent use.
type Flight struct{ places chan struct{} }

// NewFlight returns a Flight of n places; 0 and less bound nothing.
func NewFlight(n int) Flight {
	if n <= 0 {
		return Flight{}
	}
	return Flight{make(chan struct{}, n)}
}

// Enter takes a place, if there is one. Who got one gives it back by Leave.
func (f Flight) Enter() bool {
	if f.places == nil {
		return true
	}
	select {
	case f.places <- struct{}{}:
		return true
	default:
		return false
	}
}

// Leave gives the place back.
func (f Flight) Leave() {
	if f.places != nil {
		<-f.places
	}
}
