//go:build !race

package resource_test

import "testing"

// The figure is that of the gateway alone; network and Redis add theirs
// (docs/performance.md). The race detector has pools forget on purpose, so it
// does not count there. Not parallel: allocations are those of the whole process.
func TestAReadAllocatesLittle(t *testing.T) {
	const most = 15
	if n := testing.AllocsPerRun(200, hotRead(t)); n > most {
		t.Errorf("a read makes %.0f allocations, more than %d", n, most)
	}
}
