package store

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
)

// Kind is a kind of records: a row of the table that Open is given. Its exported
// fields are set before, and not changed.
type Kind struct {
	// Name is the first part of its keys below the tree, such as agents.
	Name string
	// Share is how many keys may wait to be written at a time; with the shares of
	// the other kinds it also gives the part of each transaction that this kind is
	// sure of. Default 1024.
	Share int
	// Waiting is how many keys may wait, where that is not the Share: more for a kind
	// whose keys come in bursts that should not take part of the others' time. Default
	// Share.
	Waiting int
	// Keeper holds what the keys say.
	Keeper Keeper
	// Needs is the revision after which changes must stay readable, for servers that
	// will load this kind; 0 where it needs none. Nil: it never needs any.
	Needs func() int64

	store *Store
	// prefix begins the kind's keys, in full.
	prefix string
	lane   lane
}

// Entry is a key of a kind, and what happened to it.
type Entry struct {
	// Key is what follows the kind's prefix.
	Key string
	// Value is nil where the key was deleted. It is the Keeper's to keep.
	Value []byte
	// Revision is that of the change, and Created that of the key's creation.
	Revision, Created int64
	// Read says that the key was there when this server read the store: the change may
	// be of any age.
	Read bool
}

// Keeper holds in memory what the keys of one kind say. One goroutine calls it; who
// reads from it are others.
type Keeper interface {
	// Load begins to read all keys anew: put is called with each, in order, and done at
	// the end with the revision that all were read at. What was there before stays
	// until then, and for good where done never comes. anew says that etcd has
	// another history than before, so that the revisions known mean nothing.
	Load(anew bool) (put func(Entry), done func(at int64))
	// Apply takes in a change. Changes come in order, those of one transaction with
	// the same revision.
	Apply(Entry)
}

// Resumer is a Keeper that is also told of changes from before it was loaded.
type Resumer interface {
	// ResumeAfter is asked when all kinds were loaded: the changes after that revision
	// are told by Apply, as far back as etcd has them. 0: those after the load alone.
	ResumeAfter() int64
}

// Op is what is to be written under one key.
type Op struct {
	// Beside is whose key it is, where that is not the kind that is asked to write it:
	// the key goes along with one of that kind, in its lane, and only the latter counts
	// towards how many may wait.
	Beside *Kind
	// Key is what follows the kind's prefix.
	Key string
	// Value is what is kept under it, and belongs to the store from now on. Nil
	// deletes the key.
	Value []byte
	// TTL is how long it is kept; a bucket longer at most (see Config.LeaseBucket).
	// 0: for good.
	TTL time.Duration
	// Once keeps the value that is there already, if there is one: the first copy
	// stored wins.
	Once bool
}

// maxKey bounds a key in bytes: names of Kubernetes take 253 bytes at most.
const maxKey = 1024

func (o *Op) validate() error {
	if o.Key == "" || len(o.Key) > maxKey || strings.HasPrefix(o.Key, "/") {
		return fmt.Errorf("nothing can be kept under the key %.64q; it should have 1 to %d bytes, the first of which is no slash", o.Key, maxKey)
	}
	return nil
}

// name is the key of o in full, which k is asked to write.
func (k *Kind) name(o *Op) string { return cmp.Or(o.Beside, k).prefix + o.Key }

// Put writes ops in one transaction, all of them or none, and returns the revision at
// which etcd committed it. Two puts of one key are committed in the order in which
// they were called. Keepers are told of the ops in their order. Those with one TTL expire
// together.
//
// Put returns within Config.WriteTimeout, whatever etcd does. The error is
// ErrUnavailable, ErrNoSpace, ErrBusy or ErrTooLarge, wrapped with the cause; after
// ErrUnavailable the ops may be committed all the same.
func (k *Kind) Put(ctx context.Context, ops ...Op) (revision int64, err error) {
	return k.store.put(ctx, k, ops)
}
