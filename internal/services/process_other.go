//go:build !linux

package services

import "syscall"

// dieWithParent does nothing: only Linux offers a parent-death signal. A
// server that a crash left behind is stopped by the next start on its folder.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
