// Package upstream puts a bank's own HTTPS API behind the gateway: a
// resource.Provider that asks the bank for each read, trusts nothing of what
// comes back and keeps one bank's trouble to itself.
//
// It owns how the bank is called (addresses, authentication, limits, retries,
// the circuit breaker) and how its answers are read and checked. It must not
// know grants, recipients or what may leave: that is package resource.
//
// Specs: the FDX API 6.4 wire format for a bank that has it; RFC 6749 section
// 4.4 and RFC 7523 section 2.2 or RFC 8705 for authentication to the bank;
// RFC 9110 sections 10.2.3 and 15 for retries and statuses.
package upstream
