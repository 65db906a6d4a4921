//go:build !linux

package main

import (
	"syscall"
	"time"
)

// dieWithUs exists on Linux only.
func dieWithUs(*syscall.SysProcAttr) {}

// processorTime cannot be told here.
func processorTime() (busy, ours time.Duration, ok bool) { return 0, 0, false }

// largest cannot be told here.
func largest(int) (bytes int64, ok bool) { return 0, false }
