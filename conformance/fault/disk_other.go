//go:build !linux

package main

// full exists on Linux only.
func (s *stack) full() (fault, bool) { return fault{}, false }

func (s *stack) unmount() {}
