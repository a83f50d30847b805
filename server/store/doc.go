// Package store keeps records of several kinds in etcd, and has a view of each kind
// in memory that every server sharing that etcd holds alike.
//
// # Kinds
//
// A [Kind] is a row of the table that [Open] is given: the prefix of its keys, its
// share of what may wait to be written, and its [Keeper], which holds in memory what
// the keys say. A [View] is the Keeper of most kinds; the reports count what they
// see besides (reports.go), and have a kind beside them for what nobody is to be shown
// (lives.go); the counters are a fold that hands its checkpoints on
// (counters.go). Adding a kind takes a file for it and a row in the server's wiring.
//
// Keys, under the tree of the configuration:
//
//	agents/<namespace>/<pod>  the newest report of a pod: what of it anybody may see
//	lives/<namespace>/<pod>   the rest of the newest one that has more: boot id, mesh, ...;
//	                          part of the report above if both have one mod revision
//	counters/<shard>          a checkpoint of the counters
//	findings/...              what is broken, or was, see package findings
//	events/...                what was told in Kubernetes Events, see package events
//	leader/...                the election, see package leader
//
// # The way there: writes
//
// Writes are grouped: whatever waits goes into one transaction, a few of which are
// under way at a time, so that etcd's cost of a write (a round of consensus, an
// fsync) is paid once for many records. Where only few puts wait, those that follow a
// moment later join them (gather.go). [Kind.Put] returns when etcd has committed.
// Each kind has its share of the queue and of each transaction, so that a flood of
// one keeps none of the others waiting; a key that is written along with one of another
// kind ([Op.Beside]) takes of that one's. Keys expire by leases, which are shared by
// time bucket and only collect garbage. What the leader alone may write goes by
// [Kind.Save], in transactions that hold only while it leads.
//
// # The way back: from etcd to the views
//
// Reads cost etcd nothing. What is written, by whichever server, comes back to all
// of them in five steps, a file each:
//
//  1. Load (load.go): all kinds are read once, in pages, as of one revision.
//  2. Follow (follow.go): one watch of the whole tree tells each change after that
//     revision, in order; it is begun again where it broke off, and only if etcd has
//     compacted that away, all is loaded anew.
//  3. View (view.go): the Keepers apply each change. Only the follower's goroutine
//     writes them.
//  4. Progress (progress.go): the revision up to which the watch has told all, by
//     events or by etcd's own progress notifications.
//  5. Freshness (freshness.go): about once a second etcd is asked by a linearizable
//     read which revision it is at, and the follower is waited for until its
//     progress is there. The views then hold whatever was committed before the
//     question was put. Whatever hangs (etcd, the watch, a partition) shows as a
//     confirmation that does not come, and so as views that get old.
//
// It speaks to etcd 3.4 and newer. Releases before 3.4.25 and 3.5.8 may confirm the
// progress of a watch that is a few events behind (etcd issue 15220), so progress is
// not believed before the events that this server knows of have come.
package store
