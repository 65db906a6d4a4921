package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"
)

// Entry is a leaf as it is stored, and the record that it is of.
type Entry struct {
	Index     int64
	RequestID ID
	Leaf      Hash
	Record    *Record // nil when there is none
}

// Note is a signed checkpoint and where it was found. Size is what the place
// says of it.
type Note struct {
	Where string
	Size  int64
	Text  []byte
}

// Retired is a range of request ids whose records the operator has removed,
// after they were under a checkpoint.
type Retired struct {
	Name        string
	From, Until ID // Until is outside
	Records     int64
}

// Source is what is verified. It shows one moment.
type Source interface {
	// Head returns what the tree is said to be.
	Head(ctx context.Context) (Head, error)
	// Entries calls f with the leaves from index on, at most limit, in order.
	// f must not keep the record.
	Entries(ctx context.Context, from int64, limit int, f func(Entry) error) error
	// Nodes calls f with every stored subtree hash, in any order.
	Nodes(ctx context.Context, f func(level int, n int64, h Hash) error) error
	// Checkpoints returns the checkpoints of trees larger than after, smallest
	// first, at most limit.
	Checkpoints(ctx context.Context, after int64, limit int) ([]Note, error)
	// Retired returns what was retired.
	Retired(ctx context.Context) ([]Retired, error)
	// Lane returns how many records a lane has, and their smallest and largest
	// number, whether they have leaves or not.
	Lane(ctx context.Context, lane string) (count, first, last int64, err error)
	// Loose returns ids of records that have no leaf, at most limit; of those
	// alone that are in among, unless that is nil. Unlike the others it shows
	// the present moment.
	Loose(ctx context.Context, among []ID, limit int) ([]ID, error)
}

// Kind says what is wrong with the records.
type Kind string

// The kinds of differences.
const (
	Changed   Kind = "changed"    // a record is not as it was when it got its leaf
	Missing   Kind = "missing"    // a record, or a leaf, is gone
	Added     Kind = "added"      // a record has no leaf
	Swapped   Kind = "swapped"    // a record has what another one had
	Gap       Kind = "gap"        // a lane of a gateway numbered a record that is not there
	Rewritten Kind = "rewritten"  // leaves were changed: they do not lead to a signed checkpoint
	Broken    Kind = "broken"     // what is stored of the tree does not follow from its leaves
	BadNote   Kind = "checkpoint" // a checkpoint is not signed by the key, or not of its place
)

// Difference is one finding.
type Difference struct {
	Kind      Kind
	Index     int64 // of the leaf; -1 for none
	RequestID ID    // zero for none
	Detail    string
}

// String is one line.
func (d Difference) String() string {
	s := string(d.Kind)
	if d.Index >= 0 {
		s += fmt.Sprintf(" index %d", d.Index)
	}
	if d.RequestID != (ID{}) {
		id := d.RequestID
		s += fmt.Sprintf(" record %x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	}
	if d.Detail != "" {
		s += ": " + d.Detail
	}
	return s
}

// Report is what Verify has found.
type Report struct {
	Size        int64 // leaves
	Retired     int64 // of them, whose records were retired
	Checkpoints int   // that were opened and compared
	Newest      Checkpoint
	// Unsigned is how many leaves no checkpoint covers yet.
	Unsigned    int64
	Differences []Difference // the first ones, by when they were found
	Found       int          // all of them
	Took        time.Duration
}

// VerifyConfig says how to verify.
type VerifyConfig struct {
	Source   Source   // required
	Verifier Verifier // required
	// Outside are the folders that checkpoints were copied to. Without one, an
	// administrator who has the key could have made another tree.
	Outside []Dir
	// Most bounds Report.Differences; 100 when zero.
	Most int
	// Grace is how long a record may wait for its leaf; 10 s when zero.
	Grace time.Duration
	// Progress is told now and then how many leaves were read; nil tells
	// nobody.
	Progress func(done, of int64)
}

const (
	entriesAtOnce     = 2048
	checkpointsAtOnce = 1000
	looseAtMost       = 1000
)

// Verify computes the tree anew from the records, compares it with every
// checkpoint, and looks for records that it does not have. An error means that
// it could not be done; what is wrong with the records is in the report.
func Verify(ctx context.Context, c VerifyConfig) (Report, error) {
	if c.Most <= 0 {
		c.Most = 100
	}
	if c.Grace <= 0 {
		c.Grace = 10 * time.Second
	}
	began := time.Now()
	v := verification{c: c, nodes: map[nodeKey]Hash{}, lanes: map[string]*lane{}}
	err := v.run(ctx)
	v.report.Took = time.Since(began)
	return v.report, err
}

type nodeKey struct {
	level int
	n     int64
}

// lane adds up the numbers of a lane.
type lane struct{ count, first, last int64 }

// suspect is a record that is not what its leaf says.
type suspect struct {
	index  int64
	leaf   Hash
	record Record
}

type verification struct {
	c        VerifyConfig
	report   Report
	tree     Tree
	nodes    map[nodeKey]Hash
	lanes    map[string]*lane
	retired  []Retired
	suspects []suspect
	holes    bool // leaves are missing: roots say nothing any more
}

func (v *verification) found(d Difference) {
	if v.report.Found++; len(v.report.Differences) < v.c.Most {
		v.report.Differences = append(v.report.Differences, d)
	}
}

func (v *verification) run(ctx context.Context) error {
	head, err := v.c.Source.Head(ctx)
	if err != nil {
		return err
	}
	if v.retired, err = v.c.Source.Retired(ctx); err != nil {
		return err
	}
	v.report.Size = head.Size
	var places []*place
	for _, notes := range v.places(ctx) {
		p := &place{}
		p.next, p.stop = iter.Pull2(notes)
		defer p.stop()
		if err := v.advance(p); err != nil {
			return err
		}
		places = append(places, p)
	}
	if err := v.leaves(ctx, head.Size, places); err != nil {
		return err
	}
	for _, p := range places {
		for ; p.open; err = v.advance(p) {
			if err != nil {
				return err
			}
			v.found(Difference{Kind: Missing, Index: head.Size, Detail: fmt.Sprintf("%s is of %d records, the tree has %d", p.where, p.at.Size, head.Size)})
		}
		if err != nil {
			return err
		}
	}
	if !v.holes && v.tree.Root() != head.Root {
		v.found(Difference{Kind: Broken, Index: -1, Detail: "the stored root is not that of the leaves"})
	}
	v.report.Unsigned = head.Size - v.report.Newest.Size
	if err := v.storedNodes(ctx); err != nil {
		return err
	}
	v.judge()
	if err := v.gaps(ctx); err != nil {
		return err
	}
	return v.loose(ctx)
}

// place is a run through the checkpoints of one place.
type place struct {
	next  func() (Note, error, bool)
	stop  func()
	open  bool // at holds a checkpoint that was not compared yet
	at    Checkpoint
	where string
	good  int64 // size of the last one that was right
	bad   bool  // one was wrong: later ones are, for the same reason
}

// places returns the checkpoints of the source and of the folders.
func (v *verification) places(ctx context.Context) []iter.Seq2[Note, error] {
	all := []iter.Seq2[Note, error]{func(yield func(Note, error) bool) {
		for after := int64(0); ; {
			notes, err := v.c.Source.Checkpoints(ctx, after, checkpointsAtOnce)
			if err != nil {
				yield(Note{}, err)
				return
			}
			for _, n := range notes {
				if after = n.Size; !yield(n, nil) {
					return
				}
			}
			if len(notes) < checkpointsAtOnce {
				return
			}
		}
	}}
	for _, d := range v.c.Outside {
		all = append(all, func(yield func(Note, error) bool) {
			err := d.All(func(path string, text []byte) error {
				if !yield(Note{Where: path, Size: sizeOf(path), Text: text}, nil) {
					return errStopped
				}
				return nil
			})
			if err != nil && !errors.Is(err, errStopped) {
				yield(Note{}, err)
			}
		})
	}
	return all
}

var errStopped = errors.New("ledger: stopped")

// advance moves to the next checkpoint that opens.
func (v *verification) advance(p *place) error {
	for {
		n, err, ok := p.next()
		if !ok || err != nil {
			p.open = false
			return err
		}
		c, err := v.c.Verifier.Open(n.Text)
		if err != nil || c.Size != n.Size || c.Size == 0 || c.Size <= p.at.Size {
			v.found(Difference{Kind: BadNote, Index: -1, Detail: n.Where + " is not a checkpoint of its place that the key has signed"})
			continue
		}
		p.open, p.at, p.where = true, c, n.Where
		return nil
	}
}

// leaves goes through the tree.
func (v *verification) leaves(ctx context.Context, size int64, places []*place) error {
	from := int64(0)
	for from < size {
		// The next index to come.
		start := from
		err := v.c.Source.Entries(ctx, from, int(min(entriesAtOnce, size-from)), func(e Entry) error {
			switch {
			case e.Index < from:
				v.found(Difference{Kind: Added, Index: e.Index, RequestID: e.RequestID, Detail: "a second record has its id"})
				return nil
			case e.Index > from:
				v.found(Difference{Kind: Missing, Index: from, Detail: fmt.Sprintf("%d leaves are gone", e.Index-from)})
				v.holes = true
			}
			from = e.Index + 1
			v.record(e)
			v.tree.Append(e.Leaf, func(level int, n int64, h Hash) {
				if level >= NodeLevel {
					v.nodes[nodeKey{level, n}] = h
				}
			})
			return v.compare(places, from)
		})
		if err != nil {
			return err
		}
		if from == start {
			v.found(Difference{Kind: Missing, Index: from, Detail: fmt.Sprintf("%d leaves are gone", size-from)})
			v.holes = true
			return v.compare(places, size)
		}
		if v.c.Progress != nil {
			v.c.Progress(from, size)
		}
	}
	return nil
}

// record compares a record with its leaf.
func (v *verification) record(e Entry) {
	switch {
	case e.Record == nil && v.isRetired(e.RequestID):
		v.report.Retired++
	case e.Record == nil:
		v.found(Difference{Kind: Missing, Index: e.Index, RequestID: e.RequestID})
	case e.Record.Leaf() != e.Leaf:
		r := *e.Record
		r.BodyHash = slices.Clone(r.BodyHash)
		v.suspects = append(v.suspects, suspect{e.Index, e.Leaf, r})
	case e.Record.Lane != "":
		l := v.lanes[e.Record.Lane]
		if l == nil {
			l = &lane{first: e.Record.Counter, last: e.Record.Counter}
			v.lanes[e.Record.Lane] = l
		}
		l.count, l.first, l.last = l.count+1, min(l.first, e.Record.Counter), max(l.last, e.Record.Counter)
	}
}

func (v *verification) isRetired(id ID) bool {
	for _, r := range v.retired {
		if slices.Compare(id[:], r.From[:]) >= 0 && slices.Compare(id[:], r.Until[:]) < 0 {
			return true
		}
	}
	return false
}

// compare compares the tree with the checkpoints of that size. Below a hole they
// say nothing.
func (v *verification) compare(places []*place, size int64) error {
	for _, p := range places {
		for p.open && p.at.Size <= size {
			if !v.holes {
				v.report.Checkpoints++
				if p.at.Size > v.report.Newest.Size {
					v.report.Newest = p.at
				}
				switch {
				case p.at.Root == v.tree.Root():
					p.good = p.at.Size
				case !p.bad:
					p.bad = true
					v.found(Difference{Kind: Rewritten, Index: p.good, Detail: fmt.Sprintf("the leaves %d to %d do not lead to %s", p.good, p.at.Size-1, p.where)})
				}
			}
			if err := v.advance(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// storedNodes compares the stored subtrees with the leaves'.
func (v *verification) storedNodes(ctx context.Context) error {
	if v.holes {
		return nil
	}
	err := v.c.Source.Nodes(ctx, func(level int, n int64, h Hash) error {
		k := nodeKey{level, n}
		if want, ok := v.nodes[k]; !ok || want != h {
			v.found(Difference{Kind: Broken, Index: -1, Detail: fmt.Sprintf("subtree %d of level %d does not follow from the leaves", n, level)})
		}
		delete(v.nodes, k)
		return nil
	})
	if err == nil && len(v.nodes) > 0 {
		v.found(Difference{Kind: Broken, Index: -1, Detail: fmt.Sprintf("%d subtrees are gone", len(v.nodes))})
	}
	return err
}

// swapsAtMost bounds the search for swaps, which compares all with all.
const swapsAtMost = 300

// judge names what the suspects are.
func (v *verification) judge() {
	at := map[Hash]*suspect{}
	for i := range v.suspects {
		at[v.suspects[i].leaf] = &v.suspects[i]
	}
	for i, s := range v.suspects {
		kind, detail := Changed, ""
		if other := at[s.record.Leaf()]; other != nil {
			kind, detail = Swapped, fmt.Sprintf("it is the record of index %d", other.index)
		} else if i < swapsAtMost {
			for _, other := range v.suspects[:min(swapsAtMost, len(v.suspects))] {
				r := s.record
				if r.RequestID = other.record.RequestID; other.index != s.index && r.Leaf() == other.leaf {
					kind, detail = Swapped, fmt.Sprintf("it has what index %d had", other.index)
				}
			}
		}
		v.found(Difference{Kind: kind, Index: s.index, RequestID: s.record.RequestID, Detail: detail})
	}
}

// gaps looks at the numbers that the gateways gave, unless what is wrong has
// been named already. Only some records of a statement may have leaves by now,
// so that a gap counts if it is one among all records. The first records of a
// lane may have been retired.
func (v *verification) gaps(ctx context.Context) error {
	if v.report.Found > 0 {
		return nil
	}
	gap := func(l lane) bool { return l.count != l.last-l.first+1 || l.first != 1 && v.report.Retired == 0 }
	for name, l := range v.lanes {
		if !gap(*l) {
			continue
		}
		var all lane
		var err error
		if all.count, all.first, all.last, err = v.c.Source.Lane(ctx, name); err != nil {
			return err
		}
		if gap(all) {
			v.found(Difference{Kind: Gap, Index: -1, Detail: fmt.Sprintf("lane %s has %d records, numbered %d to %d", name, all.count, all.first, all.last)})
		}
	}
	return nil
}

// loose looks for records that have no leaf. A new one has none for a moment.
func (v *verification) loose(ctx context.Context) error {
	ids, err := v.c.Source.Loose(ctx, nil, looseAtMost)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(v.c.Grace); len(ids) > 0 && time.Now().Before(deadline); {
		pause := time.NewTimer(min(time.Second, v.c.Grace/4))
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
		if ids, err = v.c.Source.Loose(ctx, ids, looseAtMost); err != nil {
			return err
		}
	}
	for _, id := range ids {
		v.found(Difference{Kind: Added, Index: -1, RequestID: id, Detail: "it has no leaf"})
	}
	return nil
}
