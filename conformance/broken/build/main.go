// The program build builds commands of the product with all faults in them,
// each behind a switch that is off; see package broken.
//
//	go run ./conformance/broken/build -o DIR ./cmd/...    build into DIR
//	go run ./conformance/broken/build -list               name the faults
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/headgate/headgate/conformance/broken"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run() error {
	out := flag.String("o", ".cache/broken", "folder for the programs and the changed source")
	tags := flag.String("tags", "nomsgpack", "build tags")
	list := flag.Bool("list", false, "name the faults and who must notice them, build nothing")
	flag.Parse()
	faults, err := broken.Faults()
	if err != nil {
		return err
	}
	if *list {
		for _, f := range faults {
			fmt.Printf("%s\t%s\t%s\n", f.Name, strings.Join(f.Caught, ","), f.Breaks)
		}
		return nil
	}
	overlay, err := broken.Overlay(".", filepath.Join(*out, "source"), faults)
	if err != nil {
		return err
	}
	args := append([]string{"build", "-overlay", overlay, "-tags", *tags, "-o", *out + string(filepath.Separator)}, flag.Args()...)
	cmd := exec.Command("go", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
