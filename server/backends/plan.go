package backends

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/server/fleet"
)

// news is what some of the agents are told.
type news struct {
	version string
	data    []byte
}

// plan is who samples what. It is never changed once made.
type plan struct {
	// of has what each agent of the list is told.
	of map[fleet.Key]*news
	// sampled are the backends that agents are told of, and refused those that ask too
	// much with so many agents.
	sampled []Declaration
	refused []Refused
}

// newPlan is pure: the same for the same arguments, on each server.
func newPlan(declared []Declaration, list *fleet.List, perSecond int) (*plan, error) {
	p := &plan{}
	told := make([]uint32, len(list.Agents)) // a bit for each of p.sampled
	for _, d := range declared {
		who := samplers(&d, list)
		if err := d.load(len(who), perSecond); err != nil {
			p.refused = append(p.refused, Refused{Name: d.Name, Reason: err.Error()})
			continue
		}
		for _, i := range who {
			told[i] |= 1 << len(p.sampled)
		}
		p.sampled = append(p.sampled, d)
	}
	return p, p.tell(told, list)
}

// samplers are the indices of the agents that sample d.
func samplers(d *Declaration, list *fleet.List) []int {
	if d.From == EveryAgent {
		return place(d.Name, len(list.Agents), list.Agents, list.Nodes)
	}
	return place(d.Name, d.Agents, list.Agents, list.Nodes)
}

// tell makes what each agent is told, once for all that are told the same.
func (p *plan) tell(told []uint32, list *fleet.List) error {
	p.of = make(map[fleet.Key]*news, len(told))
	made := map[uint32]*news{}
	for i, bits := range told {
		n := made[bits]
		if n == nil {
			var err error
			if n, err = p.news(bits); err != nil {
				return fmt.Errorf("telling agents what to sample: %w", err)
			}
			made[bits] = n
		}
		p.of[list.Agents[i].Key] = n
	}
	return nil
}

// news tells those of p.sampled whose bit is set. That there are none is news, too: an
// agent that had some stops.
func (p *plan) news(bits uint32) (*news, error) {
	list := []backend.Backend{}
	for i := range p.sampled {
		if bits&(1<<i) != 0 {
			list = append(list, p.sampled[i].Backend)
		}
	}
	data, err := backend.Encode(list)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	return &news{version: hex.EncodeToString(sum[:8]), data: data}, nil
}
