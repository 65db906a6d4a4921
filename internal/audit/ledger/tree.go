package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Tree is the right edge of the tree, which is all that is needed to append to
// it. The zero Tree is empty. It is not safe for concurrent use.
type Tree struct {
	size int64
	edge []Hash // roots of the complete subtrees, largest first
}

// ErrTree: what is stored of the tree contradicts itself.
var ErrTree = errors.New("ledger: the stored tree contradicts itself")

// NewTree returns the tree of that size with the right edge that Edge
// returned. It returns ErrTree when the edge does not have that root.
func NewTree(size int64, edge []Hash, root Hash) (*Tree, error) {
	if size < 0 || len(edge) != bits.OnesCount64(uint64(size)) {
		return nil, ErrTree
	}
	t := &Tree{size: size, edge: append([]Hash(nil), edge...)}
	if t.Root() != root {
		return nil, ErrTree
	}
	return t, nil
}

// Append adds a leaf. node, if it is not nil, is told of every subtree above the
// leaf that is complete now: its n-th one of 2^level leaves.
func (t *Tree) Append(leaf Hash, node func(level int, n int64, h Hash)) {
	t.edge = append(t.edge, leaf)
	t.size++
	for level := 1; t.size&(1<<level-1) == 0; level++ {
		last := len(t.edge) - 1
		h := tlog.NodeHash(t.edge[last-1], t.edge[last])
		t.edge = append(t.edge[:last-1], h)
		if node != nil {
			node(level, t.size>>level-1, h)
		}
	}
}

// Size is the number of leaves.
func (t *Tree) Size() int64 { return t.size }

// Edge returns the roots of the complete subtrees, the largest first.
func (t *Tree) Edge() []Hash { return append([]Hash(nil), t.edge...) }

// Root is the hash of the whole tree.
func (t *Tree) Root() Hash {
	if t.size == 0 {
		h, _ := tlog.TreeHash(0, nil) // that of nothing needs no reader
		return h
	}
	h := t.edge[len(t.edge)-1]
	for i := len(t.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.edge[i], h)
	}
	return h
}

// NodeLevel is the lowest level of subtrees whose hashes are stored. Lower ones
// are made from at most 2^NodeLevel leaves when a proof needs them, which keeps
// what is stored beside a leaf to a hundredth of it.
const NodeLevel = 8

// Nodes finds the hashes that proofs are made of. Implementations are safe for
// concurrent use.
type Nodes interface {
	// Leaves returns the hashes of the leaves from index on, at most limit, in
	// order.
	Leaves(ctx context.Context, from int64, limit int) ([]Hash, error)
	// Node returns the hash of the n-th subtree of 2^level leaves; level is
	// NodeLevel or more. ErrTree when it is not stored.
	Node(ctx context.Context, level int, n int64) (Hash, error)
}

// reader adapts Nodes to tlog.
func reader(ctx context.Context, nodes Nodes) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, 0, len(indexes))
		for _, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			if level >= NodeLevel {
				h, err := nodes.Node(ctx, level, n)
				if err != nil {
					return nil, err
				}
				found = append(found, h)
				continue
			}
			leaves, err := nodes.Leaves(ctx, n<<level, 1<<level)
			if err != nil {
				return nil, err
			}
			if len(leaves) != 1<<level {
				return nil, fmt.Errorf("%w: leaves from %d on are missing", ErrTree, n<<level)
			}
			var sub Tree
			for _, l := range leaves {
				sub.Append(l, nil)
			}
			found = append(found, sub.Root())
		}
		return found, nil
	})
}

// RootAt returns the root that the stored tree had when it had size leaves.
func RootAt(ctx context.Context, nodes Nodes, size int64) (Hash, error) {
	return tlog.TreeHash(size, reader(ctx, nodes))
}

// Proof proves that a record is in the tree of a checkpoint (RFC 6962 section
// 2.1.1). Whoever has the record and the key needs nothing else of ours.
type Proof struct {
	Index      int64
	Checkpoint []byte // a signed note
	Path       []Hash
}

// Prover is what proofs are made from.
type Prover interface {
	Nodes
	// Find returns a record with the index of its leaf, -1 when it has none.
	// ErrNoRecord when there is no such record.
	Find(ctx context.Context, id ID) (record Record, index int64, err error)
	// Newest returns the newest checkpoint that was put; nil when there is
	// none.
	Newest(ctx context.Context) ([]byte, error)
}

// Errors of proofs.
var (
	// ErrNoRecord: no record has that request id.
	ErrNoRecord = errors.New("ledger: no such record")
	// ErrNotCovered: no checkpoint covers the record yet.
	ErrNotCovered = errors.New("ledger: no checkpoint covers the record yet")
	// ErrProof: the proof does not prove that the record is in the tree.
	ErrProof = errors.New("ledger: the record, as it is, is not in the tree of the checkpoint")
)

// ProveRecord makes the proof of a stored record against the newest checkpoint
// and checks it as anybody could who has no more than the record, the proof and
// the key. Errors are those of proofs, ErrCheckpoint and ErrTree.
func ProveRecord(ctx context.Context, s Prover, v Verifier, id ID) (Proof, Record, error) {
	r, index, err := s.Find(ctx, id)
	if err != nil {
		return Proof{}, r, err
	}
	msg, err := s.Newest(ctx)
	if err != nil {
		return Proof{}, r, err
	}
	if index < 0 || msg == nil {
		return Proof{}, r, ErrNotCovered
	}
	c, err := v.Open(msg)
	if err != nil {
		return Proof{}, r, err
	}
	if index >= c.Size {
		return Proof{}, r, ErrNotCovered
	}
	path, err := tlog.ProveRecord(c.Size, index, reader(ctx, s))
	if err != nil {
		return Proof{}, r, err
	}
	p := Proof{Index: index, Checkpoint: msg, Path: path}
	_, err = p.Check(v, r.Leaf())
	return p, r, err
}

// Check checks a proof for a leaf. It returns the checkpoint that covers it,
// or ErrProof, ErrCheckpoint.
func (p Proof) Check(v Verifier, leaf Hash) (Checkpoint, error) {
	c, err := v.Open(p.Checkpoint)
	if err != nil {
		return Checkpoint{}, err
	}
	if p.Index < 0 || p.Index >= c.Size || tlog.CheckRecord(p.Path, c.Size, c.Root, p.Index, leaf) != nil {
		return Checkpoint{}, ErrProof
	}
	return c, nil
}
