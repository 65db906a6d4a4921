package services

import "syscall"

// dieWithParent makes the kernel send s to the child when the thread that
// forked it ends (prctl(2), PR_SET_PDEATHSIG).
func dieWithParent(attr *syscall.SysProcAttr, s syscall.Signal) { attr.Pdeathsig = s }
