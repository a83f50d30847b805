package shared

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/golang/glog"

	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/store"
)

// entry is where a server is reached.
type entry struct {
	Server netip.AddrPort `json:"server"`
	// Node is its node's address; left out where that is not known.
	Node netip.Addr `json:"node,omitzero"`
}

func identityOf(key string) (string, bool) { return key, key != "" && !strings.Contains(key, "/") }

func decodeEntry(_ string, e store.Entry) (is entry, err error) {
	if err := json.Unmarshal(e.Value, &is); err != nil {
		return entry{}, fmt.Errorf("reading where a server is reached: %w", err)
	}
	return is, nil
}

// register says again and again where this server is reached.
func (f *Facts) register(ctx context.Context, server netip.AddrPort) {
	value, err := json.Marshal(entry{Server: server, Node: f.cfg.Node})
	if err != nil {
		glog.Errorf("Writing where this server is reached: %v", err)
		return
	}
	told := false
	for ctx.Err() == nil {
		// The store owns what it is given.
		op := store.Op{Key: f.cfg.Identity, Value: append([]byte(nil), value...), TTL: 3 * f.cfg.Every}
		if _, err := f.kind.Put(ctx, op); err != nil && !told && ctx.Err() == nil {
			glog.Warningf("Telling the other servers, and agents, that this one is reached at %v: %v", server, err)
			told = true
		} else if err == nil {
			told = false
		}
		wait.For(ctx, f.cfg.Every)
	}
}
