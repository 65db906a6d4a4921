package main

import (
	"fmt"
	"os"
	"strings"
)

// progressBar shows how far a long work is: a bar on a terminal, a line per
// stage elsewhere.
type progressBar struct {
	out   *os.File
	stage string
	shown int // per mille last shown
	open  bool
}

const barWidth = 30

func (b *progressBar) show(stage string, done, total int64) {
	at := 0
	if total > 0 {
		at = int(min(done, total) * 1000 / total)
	}
	fresh := stage != b.stage
	if !fresh && at == b.shown {
		return
	}
	b.stage, b.shown = stage, at
	if !terminal(b.out) {
		if fresh {
			fmt.Fprintf(b.out, "%s ...\n", stage)
		}
		return
	}
	if fresh && b.open {
		fmt.Fprintln(b.out)
	}
	b.open = true
	full := at * barWidth / 1000
	fmt.Fprintf(b.out, "\r%-24s [%s%s] %3d %%", stage, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), at/10)
}

// end leaves the bar's line.
func (b *progressBar) end() {
	if b.open {
		fmt.Fprintln(b.out)
		b.open = false
	}
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
