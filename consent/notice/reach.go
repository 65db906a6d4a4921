package notice

// Reach is how far a notification has got: to all that is known, nothing for
// one that is on its way for the first time or was given up.
type Reach string

// The reaches.
const (
	ReachDelivered Reach = "delivered"
	ReachRetrying  Reach = "retrying"
	// ReachNobody: the recipient did not ask to be called.
	ReachNobody Reach = "not_subscribed"
)
