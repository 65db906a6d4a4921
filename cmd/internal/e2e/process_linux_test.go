package e2e

import "syscall"

// dieWithUs has the kernel end a process in order when the thread that
// started it ends.
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
