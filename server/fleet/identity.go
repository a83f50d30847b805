package fleet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/netchecker/netchecker/pkg/report"
)

// AmbiguousError says that a report fits several pods.
type AmbiguousError struct {
	Pod        string
	Namespaces []string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("podname: %q is the name of pods in the namespaces %s, and neither nodename nor ips tell which of them reports; the report should have a namespace",
		e.Pod, strings.Join(e.Namespaces, " and "))
}

// CouldBe says whether a pod of that UID can be this one: it can, where either is
// not known.
func (a *Agent) CouldBe(uid string) bool { return uid == "" || a.UID == "" || uid == a.UID }

// Identify finds whose report r is; nil where the list, which may be nil, has no
// such pod. The error is an *AmbiguousError.
//
// Agents of netchecker tell their namespace and their pod's UID, so that a report of
// an earlier pod of the same name is known for one. The original ones tell neither;
// theirs is the pod of that name, and where several namespaces have one, the one
// whose node, or else whose address, is that of the report.
func (l *List) Identify(r *report.Report) (*Agent, error) {
	if l == nil {
		return nil, nil
	}
	var fits []*Agent
	named := l.Named(r.PodName)
	for i := range named {
		a := &named[i]
		if !a.CouldBe(r.UID) || r.Namespace != "" && r.Namespace != a.Namespace {
			continue
		}
		if len(named) == 1 || r.Namespace != "" {
			return a, nil
		}
		fits = append(fits, a)
	}
	if len(fits) < 2 {
		return first(fits), nil
	}
	return among(fits, r)
}

func first(agents []*Agent) *Agent {
	if len(agents) == 0 {
		return nil
	}
	return agents[0]
}

// among tells pods of one name apart.
func among(named []*Agent, r *report.Report) (*Agent, error) {
	fits := named
	if r.NodeName != "" {
		fits = filter(named, func(a *Agent) bool { return a.Node == r.NodeName })
	}
	if len(fits) == 0 {
		fits = named
	}
	if len(fits) > 1 {
		own := addresses(r)
		fits = filter(fits, func(a *Agent) bool {
			return slices.ContainsFunc(a.Addresses, func(s string) bool {
				ip, err := netip.ParseAddr(s)
				return err == nil && own[ip]
			})
		})
	}
	if len(fits) == 1 {
		return fits[0], nil
	}
	e := &AmbiguousError{Pod: r.PodName}
	for _, a := range named {
		e.Namespaces = append(e.Namespaces, a.Namespace)
	}
	return nil, e
}

func filter(agents []*Agent, keep func(*Agent) bool) (kept []*Agent) {
	for _, a := range agents {
		if keep(a) {
			kept = append(kept, a)
		}
	}
	return kept
}

// addresses are all that the report says of where it comes from.
func addresses(r *report.Report) map[netip.Addr]bool {
	own := map[netip.Addr]bool{}
	add := func(s string) {
		if ip, err := netip.ParseAddr(s); err == nil {
			own[ip] = true
		} else if p, err := netip.ParsePrefix(s); err == nil {
			own[p.Addr()] = true
		}
	}
	for _, a := range r.Addresses {
		add(a)
	}
	for _, list := range r.IPs {
		for _, a := range list {
			add(a)
		}
	}
	return own
}
