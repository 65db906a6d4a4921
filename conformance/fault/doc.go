// Command fault breaks things under a deployment and says which promises it
// kept meanwhile. It starts one authorization server, two gateways, a
// PostgreSQL, a Redis and a callback server as processes of their own, gives
// them constant load and races, and kills, freezes, empties and cuts off one
// after the other. What happened is a history of operations, written by one
// clock; what was promised is a set of pure functions over that history and
// the rows of the database (check*.go).
//
// It owns the plan of faults, the load, the history and the checks. It must
// not know the product but from outside: it imports nothing of it, and reads
// its tables as an auditor would. docs/invariants.md lists what is checked;
// run it by `make fault`.
package main
