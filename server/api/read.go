package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/judge"
)

// check answers the one question. ?starting=ok leaves agents that are still
// starting out of it, and ?findings=ok what is found broken.
func (s *server) check(w http.ResponseWriter, r *http.Request) {
	lenient, err := leniencyOf(r)
	if err != nil {
		plain(w, http.StatusBadRequest, err.Error())
		return
	}
	a := s.answers.to(s.Snapshots.Snapshot()).to(lenient)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	switch {
	case a.status == http.StatusServiceUnavailable:
		plain(w, a.status, string(a.body))
		return
	case prefersText(r):
		plain(w, a.status, string(a.text()))
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// leniencyOf is what a request wants left out of the check.
func leniencyOf(r *http.Request) (l leniency, err error) {
	if r.URL.RawQuery == "" {
		return l, nil
	}
	query := r.URL.Query()
	for _, p := range []struct {
		name string
		ok   *bool
	}{{"starting", &l.starting}, {"findings", &l.findings}} {
		switch v := query.Get(p.name); v {
		case "ok":
			*p.ok = true
		case "":
		default:
			return l, fmt.Errorf("%s: is %q; it should be ok, or be left out", p.name, v)
		}
	}
	return l, nil
}

// toAgents sends who forgot the slash to the list.
func toAgents(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/api/v1/agents/", http.StatusMovedPermanently)
}

// known answers 503 where the Snapshot has nothing to show, and says whether it
// has. Where etcd or Kubernetes were reached before, what they said last is shown.
func known(w http.ResponseWriter, snap *judge.Snapshot) bool {
	if snap.List != nil && snap.Loaded {
		return true
	}
	plain(w, http.StatusServiceUnavailable, unknownHead+whyUnknown(snap))
	return false
}

// flushAt is how much of an answer is kept before it is sent, in bytes, and
// largeEntry what most records fit into.
const (
	flushAt    = 48 << 10
	largeEntry = 16 << 10
)

// agents writes all records in one object, by their pods' names. However many there
// are, it keeps little more than one of them.
func (s *server) agents(w http.ResponseWriter, _ *http.Request) {
	snap := s.Snapshots.Snapshot()
	if !known(w, snap) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	buf := make([]byte, 0, flushAt+largeEntry)
	separator := byte('{')
	for i, rec := range snap.Records {
		if rec == nil {
			continue
		}
		buf = append(buf, separator)
		separator = ','
		buf = report.AppendString(buf, snap.List.DisplayName(i))
		buf = report.AppendShown(append(buf, ':'), &rec.Record)
		if len(buf) >= flushAt {
			if _, err := w.Write(buf); err != nil {
				return
			}
			buf = buf[:0]
		}
	}
	if separator == '{' {
		buf = append(buf, '{')
	}
	_, _ = w.Write(append(buf, '}'))
}

// agent writes one record.
func (s *server) agent(w http.ResponseWriter, r *http.Request) {
	snap := s.Snapshots.Snapshot()
	name := r.PathValue("name")
	if !known(w, snap) {
		return
	}
	rec, others := find(snap, name, r.URL.Query().Get("namespace"))
	switch {
	case len(others) > 1:
		plain(w, http.StatusConflict, "namespace: should be given, because pods of this name are in "+strings.Join(others, " and ")+"; for example ?namespace="+others[0])
	case rec == nil:
		plain(w, http.StatusNotFound, "There is no such entry in the agent cache")
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(report.AppendShown(nil, &rec.Record))
	}
}

// find returns the record of the pod of that name, or the namespaces that have
// one where there are several and none was named.
func find(snap *judge.Snapshot, name, namespace string) (rec *fleet.Record, namespaces []string) {
	from, to := snap.List.Range(name)
	for i := from; i < to; i++ {
		ns := snap.List.Agents[i].Namespace
		if namespace == "" {
			namespaces = append(namespaces, ns)
		}
		if namespace == "" || namespace == ns {
			rec = snap.Records[i]
		}
	}
	return rec, namespaces
}
