// Package persona makes up households with two years of banking, for people
// who develop against the sandbox and for the demonstration: ordinary ones, one
// with an account of every kind, and some with what is rare.
//
// It owns who they are and how they live: pay, rent, shops, loans, trades. It
// must not know stores, ids or passwords. Nothing is random beyond a seed: for
// one seed and one date the result is always the same, and what happened on a
// day stays the same on later days, so that loading the personas again only
// adds the days in between. Money is counted in integer minor units.
package persona
