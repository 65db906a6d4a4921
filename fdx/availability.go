package fdx

import "encoding/json"

// Availability is whether an operation, or all of them, can be used.
type Availability struct {
	Status      AvailabilityStatus `json:"status,omitzero"`
	Description string             `json:"description,omitzero"`
	// OperationID is "" for the API as a whole.
	OperationID OperationID `json:"operationId,omitzero"`
	// PlannedAvailability is what is announced, soonest first.
	PlannedAvailability []PlannedAvailability `json:"plannedAvailability,omitempty"`
}

// PlannedAvailability is an announced state, from StartTime to EndTime.
type PlannedAvailability struct {
	Status      AvailabilityStatus `json:"status,omitzero"`
	Description string             `json:"description,omitzero"`
	StartTime   Timestamp          `json:"startTime,omitzero"`
	EndTime     Timestamp          `json:"endTime,omitzero"`
}

// AvailabilityStatus is whether something can be used.
type AvailabilityStatus string

// The states of availability.
const (
	Alive       AvailabilityStatus = "ALIVE"
	Down        AvailabilityStatus = "DOWN"
	Maintenance AvailabilityStatus = "MAINTENANCE"
	Partial     AvailabilityStatus = "PARTIAL"
)

// AvailabilityAnswer is the answer to getAvailability.
type AvailabilityAnswer struct {
	// Availability may be empty, which is [] in the JSON and never null.
	Availability []Availability `json:"availability"`
}

// MarshalJSON writes no list as [].
func (a AvailabilityAnswer) MarshalJSON() ([]byte, error) {
	type plain AvailabilityAnswer
	a.Availability = listed(a.Availability)
	return json.Marshal(plain(a))
}
