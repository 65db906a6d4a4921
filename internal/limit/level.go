package limit

import "time"

// Window is the time that a quota is for.
const Window = time.Minute

// MaxQuota is the largest quota: a request then fills a bucket by a
// microsecond, which is what the shared counter counts in.
const MaxQuota = int(Window / time.Microsecond)

// Level is how full a bucket is after a request. The zero value is that of a
// quota of 0, which limits nothing.
type Level struct {
	// Quota is in requests per Window; 0 is no limit.
	Quota int
	// Left is how many more would be let through now.
	Left int
	// Whole is how long it takes until the quota is whole again.
	Whole time.Duration
	// Wait is how long to wait until one is let through; 0 for a request that
	// this bucket does not stand in the way of.
	Wait time.Duration
}

// LevelOf returns the level of a bucket in which fill is left of the Window
// after a request was let through, or stood before it was refused.
func LevelOf(quota int, fill time.Duration, refused bool) Level {
	if quota <= 0 {
		return Level{}
	}
	each := share(quota)
	l := Level{Quota: quota, Left: int((Window - fill) / each), Whole: fill}
	if refused {
		l.Wait = max(0, fill+each-Window)
	}
	return l
}

// share is what one request fills.
func share(quota int) time.Duration { return Window / time.Duration(quota) }

// PerInstance is the part of a quota for one of several instances that each
// count for themselves, at least 1; 0 stays 0.
func PerInstance(quota, instances int) int {
	if quota <= 0 || instances <= 1 {
		return max(0, quota)
	}
	return (quota + instances - 1) / instances
}
