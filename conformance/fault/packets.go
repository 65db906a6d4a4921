package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// packets loses what is sent to a port or comes from one, without a word to
// either side, as a network does: nothing is acknowledged, a new connection is
// neither taken nor refused, and what was lost is sent again by the kernels
// once it may pass. It needs the right to filter and a network that is the
// run's own (packets.sh); nil is none, and then a proxy holds what passes.
type packets struct{}

// newPackets makes the rules of this network. They end with it, or
// with the next.
func newPackets() (*packets, error) {
	return &packets{}, nft(`
add table inet fault
delete table inet fault
table inet fault {
	set asked { type inet_service; }
	set answered { type inet_service; }
	chain lost {
		type filter hook input priority filter;
		iif lo tcp dport @asked drop
		iif lo tcp sport @answered drop
	}
}`)
}

// lose has the packets to a port lost from now on, or those from it, or both,
// or none any more.
func (*packets) lose(port int, asked, answered bool) error {
	var rules strings.Builder
	for _, set := range []struct {
		name string
		in   bool
	}{{"asked", asked}, {"answered", answered}} {
		// All of it is one step; what is added twice is there once.
		fmt.Fprintf(&rules, "add element inet fault %s { %d }\n", set.name, port)
		if !set.in {
			fmt.Fprintf(&rules, "delete element inet fault %s { %d }\n", set.name, port)
		}
	}
	return nft(rules.String())
}

// nft changes the rules of this network, all or none (nft(8)).
func nft(rules string) error {
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("nft: %w", err), errors.New(strings.TrimSpace(string(out))))
	}
	return nil
}
