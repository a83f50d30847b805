package store

import (
	"context"
	"fmt"
	"time"

	"github.com/golang/glog"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
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

// load reads all kinds as of one revision, and sets where the watch goes on.
func (f *follower) load(ctx context.Context) error {
	f.lost = f.takeReload() || f.lost
	var (
		header   *pb.ResponseHeader
		at       int64
		newest   int64
		finished []func(int64)
	)
	for _, k := range f.kinds {
		put, done := k.Keeper.Load(f.lost)
		answered, err := f.etcd.pages(ctx, k.prefix, at, func(kv *mvccpb.KeyValue) {
			newest = max(newest, kv.GetModRevision())
			put(Entry{
				Key: string(kv.GetKey()[len(k.prefix):]), Value: valueOf(kv),
				Revision: kv.GetModRevision(), Created: kv.GetCreateRevision(), Read: true,
			})
		})
		if err != nil {
			return err
		}
		if header == nil {
			header, at = answered, answered.GetRevision()
		}
		finished = append(finished, done)
	}
	for _, done := range finished {
		done(at)
	}
	f.begin(header.GetClusterId(), at, newest)
	f.changed.Send()
	glog.V(1).Infof("Read everything from etcd at revision %d.", at)
	return nil
}

// begin notes what was loaded, and from where the watch has to tell of changes.
func (f *follower) begin(cluster uint64, at, newest int64) {
	from := at
	for _, k := range f.kinds {
		if r, ok := k.Keeper.(Resumer); ok {
			if after := r.ResumeAfter(); after > 0 {
				from = min(from, after)
			}
		}
	}
	f.loadedAt = at
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost {
		f.floor = 0
	}
	f.cluster, f.floor = cluster, max(f.floor, newest)
	f.events, f.progress = from, from
	f.loaded, f.lost, f.err = true, false, nil
	f.wake()
}
