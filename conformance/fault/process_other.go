//go:build !linux

package main

import "syscall"

// dieWithUs exists on Linux only.
func dieWithUs(*syscall.SysProcAttr) {}
