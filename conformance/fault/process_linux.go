package main

import "syscall"

// dieWithUs has the kernel kill a process when the thread that started it
// ends: a run that dies leaves nothing behind.
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
