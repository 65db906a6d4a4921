package main

import (
	"testing"
	"time"
)

func TestProcessorTime(t *testing.T) {
	t.Parallel()
	busy, ours, ok := processorTime()
	if !ok || busy <= 0 || ours < 0 || ours > busy {
		t.Fatal(busy, ours, ok)
	}
	// Some work of our own counts as ours.
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		nowBusy, nowOurs, _ := processorTime()
		if nowOurs >= ours+5*tick {
			if nowBusy < busy {
				t.Error("time went back:", busy, nowBusy)
			}
			return
		}
	}
	t.Error("what we use is not ours")
}
