package store

import (
	"context"
	"fmt"
	"time"

	"github.com/golang/glog"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

const (
	// pageSize is how many keys are read at a time.
	pageSize = 1000
	// pageWithin bounds how long that may take.
	pageWithin = 10 * time.Second
)

// revision is that of a linearizable read: everything that was committed before
// the call is in it.
func (e etcd) revision(ctx context.Context, t tree) (*pb.ResponseHeader, error) {
	response, err := e.kv.Range(ctx, &pb.RangeRequest{Key: []byte(t), CountOnly: true})
	if err != nil {
		return nil, explain(err)
	}
	return response.GetHeader(), nil
}

// pages calls f with each key that begins with prefix, as of a revision, or of the
// newest one where that is 0. It returns the header of the first answer.
func (e etcd) pages(ctx context.Context, prefix string, revision int64, f func(*mvccpb.KeyValue)) (*pb.ResponseHeader, error) {
	request := &pb.RangeRequest{
		Key: []byte(prefix), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(prefix)),
		Limit: pageSize, Revision: revision,
	}
	var first *pb.ResponseHeader
	for {
		page, err := e.page(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", prefix, explain(err))
		}
		if first == nil {
			first = page.GetHeader()
		}
		for _, kv := range page.GetKvs() {
			f(kv)
		}
		if !page.GetMore() || len(page.GetKvs()) == 0 {
			return first, nil
		}
		last := page.GetKvs()[len(page.GetKvs())-1].GetKey()
		request.Key = append(last[:len(last):len(last)], 0)
		if request.Revision == 0 {
			request.Revision = first.GetRevision()
		}
	}
}

func (e etcd) page(ctx context.Context, request *pb.RangeRequest) (*pb.RangeResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, pageWithin)
	defer cancel()
	return e.kv.Range(ctx, request)
}

// load reads counters and records as of one revision into the view, and sets
// where the watch goes on.
func (f *follower) load(ctx context.Context) error {
	if f.lost = f.takeReload() || f.lost; f.lost {
		// What the counters know of revisions is void; what they counted is not.
		for shard := range f.shards {
			f.counters.Restore(shard, nil)
		}
		f.shards = nil
	}
	shards := make(map[string]bool)
	header, err := f.etcd.pages(ctx, f.tree.counters(), 0, func(kv *mvccpb.KeyValue) {
		if shard, ok := f.tree.shard(kv.GetKey()); ok {
			shards[shard] = true
			f.counters.Restore(shard, kv.GetValue())
		}
	})
	if err != nil {
		return err
	}
	at := header.GetRevision()
	newest, oldest := int64(0), at+1
	var records []*fleet.Record
	_, err = f.etcd.pages(ctx, f.tree.agents(), at, func(kv *mvccpb.KeyValue) {
		newest = max(newest, kv.GetModRevision())
		oldest = min(oldest, kv.GetCreateRevision())
		if r := f.record(kv, true); r != nil {
			records = append(records, r)
		}
	})
	if err != nil {
		return err
	}
	for shard := range f.shards {
		if !shards[shard] {
			f.counters.Restore(shard, nil)
		}
	}
	f.shards = shards
	f.view.replace(records)
	if f.counters.ResumeAfter() == 0 && f.reported == 0 {
		// Nobody wrote a checkpoint yet: the reports of the keys that are there
		// count, as far back as etcd has them.
		f.reported = oldest - 1
	}
	f.begin(header.GetClusterId(), at, newest)
	f.view.changed.Send()
	glog.V(1).Infof("Read %d reports and %d checkpoints from etcd at revision %d.", len(records), len(shards), at)
	return nil
}

// begin notes what was loaded, and from where the watch has to tell of reports.
func (f *follower) begin(cluster uint64, at, newest int64) {
	if f.lost {
		f.reported = 0
	}
	from := max(f.counters.ResumeAfter(), f.reported)
	if from == 0 || from > at {
		from = at
	}
	f.reported, f.loadedAt = from, at
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost {
		f.floor = 0
	}
	f.cluster, f.floor = cluster, max(f.floor, newest)
	f.events, f.position = from, from
	f.loaded, f.lost, f.err = true, false, nil
	f.wake()
}

// record decodes a report as it is stored. A value that is none counts as not
// being there, so that all servers have the same view whenever they read it. read
// says that it was there when this server read the store.
func (f *follower) record(kv *mvccpb.KeyValue, read bool) *fleet.Record {
	key, ok := f.tree.agent(kv.GetKey())
	if !ok {
		return nil
	}
	if had := f.view.get(key); had != nil && had.Revision == kv.GetModRevision() && !f.lost {
		return had
	}
	decoded, err := report.DecodeRecord(kv.GetValue())
	if err != nil {
		f.complain(string(kv.GetKey()), err)
		return nil
	}
	return &fleet.Record{Key: key, Record: decoded, JSON: kv.GetValue(), Learned: f.now(), Read: read, Revision: kv.GetModRevision()}
}

// maxComplaints bounds the keys whose values are complained about, once each.
const maxComplaints = 100

func (f *follower) complain(key string, err error) {
	if f.complaints[key] || len(f.complaints) >= maxComplaints {
		return
	}
	f.complaints[key] = true
	glog.Warningf("Ignoring the value of %s in etcd, which is not a report: %v", key, err)
}
