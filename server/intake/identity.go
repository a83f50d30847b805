package intake

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
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

// Identify finds whose report r is. known is false where the list, which may be
// nil, has no such pod; the key is one made by fleet.UnlistedKey then. The error
// is an *AmbiguousError.
//
// Agents of netchecker tell their namespace. The original ones do not; theirs is
// the pod of that name, and where several namespaces have one, the one whose
// node, or else whose address, is that of the report.
func Identify(list *fleet.List, r *report.Report) (agent *fleet.Agent, err error) {
	if list == nil {
		return nil, nil
	}
	named := list.Named(r.PodName)
	if r.Namespace != "" {
		i := slices.IndexFunc(named, func(a fleet.Agent) bool { return a.Namespace == r.Namespace })
		if i < 0 {
			return nil, nil
		}
		return &named[i], nil
	}
	switch len(named) {
	case 0:
		return nil, nil
	case 1:
		return &named[0], nil
	}
	return among(named, r)
}

// among tells pods of one name apart.
func among(named []fleet.Agent, r *report.Report) (*fleet.Agent, error) {
	var fits []*fleet.Agent
	for i := range named {
		if r.NodeName == "" || named[i].Node == r.NodeName {
			fits = append(fits, &named[i])
		}
	}
	if len(fits) != 1 {
		own := addresses(r)
		if len(fits) == 0 {
			for i := range named {
				fits = append(fits, &named[i])
			}
		}
		fits = slices.DeleteFunc(fits, func(a *fleet.Agent) bool {
			return !slices.ContainsFunc(a.Addresses, func(s string) bool {
				ip, err := netip.ParseAddr(s)
				return err == nil && own[ip]
			})
		})
	}
	if len(fits) == 1 {
		return fits[0], nil
	}
	e := &AmbiguousError{Pod: r.PodName}
	for i := range named {
		e.Namespaces = append(e.Namespaces, named[i].Namespace)
	}
	return nil, e
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
