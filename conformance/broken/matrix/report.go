package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/headgate/headgate/conformance/broken"
)

// report is what became of faults. Program is the SHA-256 of the program that
// they were tried in, in hexadecimal: what another one did counts for nothing.
type report struct {
	Program string  `json:"program"`
	Faults  []entry `json:"faults"` // by name

	file string // "" for one that is not kept
}

// entry is what became of one fault.
type entry struct {
	Fault  string `json:"fault"`
	Breaks string `json:"breaks"`
	// Names are the cases that it named when it was tried.
	Names []string `json:"names"`
	// Caught: by the cases that it names, and by no other.
	Caught bool `json:"caught"`
	// Own: it took a stack that had the fault from its start.
	Own     bool    `json:"own_stack"`
	Seconds float64 `json:"seconds"`
	Verdict string  `json:"verdict"`
}

// openReport reads what an earlier run has left, if it was about this program.
func openReport(file, program string) (*report, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	fresh := &report{Program: hex.EncodeToString(sum[:]), file: file}
	if file == "" {
		return fresh, nil
	}
	kept := report{file: file}
	text, err = os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, fmt.Errorf("%s is no report of this kind: %w", file, err)
	}
	if kept.Program != fresh.Program {
		return fresh, nil
	}
	return &kept, nil
}

func (r *report) find(fault string) (int, bool) {
	return slices.BinarySearchFunc(r.Faults, fault, func(e entry, name string) int { return cmp.Compare(e.Fault, name) })
}

// caught reports whether the fault was caught already, by the cases that it
// names now. The cases themselves are in the program.
func (r *report) caught(f broken.Fault) bool {
	i, known := r.find(f.Name)
	return known && r.Faults[i].Caught && slices.Equal(r.Faults[i].Names, f.Caught)
}

// add takes a fault in, in the place of what was known of it, and writes the
// report in one step.
func (r *report) add(e entry) error {
	i, known := r.find(e.Fault)
	if !known {
		r.Faults = slices.Insert(r.Faults, i, entry{})
	}
	r.Faults[i] = e
	if r.file == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.file+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(r.file+".new", r.file)
}

// errMatrix: the matrix is over and not all is right. The summary has said
// what.
var errMatrix = errors.New("not every fault is caught by its cases and by no others")

// summary prints what became of these faults, all of which were tried.
func (r *report) summary(w io.Writer, faults []broken.Fault) error {
	var shared, own, wrong int
	var seconds float64
	for _, f := range faults {
		i, known := r.find(f.Name)
		if !known {
			return fmt.Errorf("%s was not tried", f.Name)
		}
		e := r.Faults[i]
		seconds += e.Seconds
		switch {
		case !e.Caught:
			wrong++
			fmt.Fprintf(w, "\nNOT RIGHT  %s: %s\n%s\n", e.Fault, e.Breaks, e.Verdict)
		case e.Own:
			own++
		default:
			shared++
		}
	}
	fmt.Fprintf(w, "\nfaults  caught  on a stack of its own  not right  seconds\n%6d  %6d  %21d  %9d  %7.0f\n", len(faults), shared+own, own, wrong, seconds)
	if wrong > 0 {
		return errMatrix
	}
	return nil
}
