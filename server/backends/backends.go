// Package backends knows which backends people declared, in a file that is followed,
// and says which agent samples which of them. A declaration that is bad is refused by
// its name, and the good ones go on.
//
// The placing is pure (place.go): from the same file and the same list of agents, each
// server tells the agents the same, and few agents get others when some come or go.
package backends

import (
	"fmt"

	"github.com/netchecker/netchecker/pkg/backend"
)

// From says which agents sample a backend.
type From string

const (
	// Spread: some of them, over all zones and both networks.
	Spread From = "spread"
	// EveryAgent: all of them.
	EveryAgent From = "every-agent"
)

const (
	// DefaultAgents is from how many agents a backend is sampled that does not say, and
	// mostAgents from how many at most.
	DefaultAgents, mostAgents = 20, 1000
	// mostAllowance is in seconds: a day.
	mostAllowance = 24 * 60 * 60
)

// Declaration is a backend as people declare it.
type Declaration struct {
	backend.Backend
	// From is Spread where it is left out.
	From From `json:"from"`
	// Agents is how many agents sample it that are Spread: half of them on each network,
	// as far as there are so many. Default DefaultAgents.
	Agents int `json:"agents"`
	// AllowanceSeconds is for how long it may be disrupted in a stretch of time that
	// should be without disruption. Default 0.
	AllowanceSeconds int `json:"allowanceSeconds"`
}

// Refused is a backend that nobody samples, and why.
type Refused struct {
	// Name is the backend's as it was declared, or its place in the file, such as
	// backends[3], where it has none.
	Name, Reason string
}

// complete sets what may be left out.
func (d *Declaration) complete() {
	if d.From == "" {
		d.From = Spread
	}
	if d.Agents == 0 {
		d.Agents = DefaultAgents
	}
}

// validate names the field that is wrong, and what it should be.
func (d *Declaration) validate(allowLoopback bool) error {
	if err := d.Validate(allowLoopback); err != nil {
		return err
	}
	if d.From != Spread && d.From != EveryAgent {
		return fmt.Errorf("from: is %.70q; it should be %q or %q", d.From, Spread, EveryAgent)
	}
	if d.Agents < 1 || d.Agents > mostAgents {
		return fmt.Errorf("agents: is %d; it should be from 1 to %d", d.Agents, mostAgents)
	}
	if d.AllowanceSeconds < 0 || d.AllowanceSeconds > mostAllowance {
		return fmt.Errorf("allowanceSeconds: is %d; it should be from 0 to %d", d.AllowanceSeconds, mostAllowance)
	}
	return d.checkSize()
}

// checkSize leaves room for backend.Most of them in a reply.
func (d *Declaration) checkSize() error {
	one, err := backend.Encode([]backend.Backend{d.Backend})
	if err != nil {
		return err
	}
	if len(one) > maxEncoded {
		return fmt.Errorf("takes %d bytes to tell an agent; it should take at most %d", len(one), maxEncoded)
	}
	return nil
}

// load says that d asks too much of its backend, from that many agents over two
// connections each; nil where it does not, or where there is nobody whom all ask.
func (d *Declaration) load(agents, perSecond int) error {
	rate := float64(2*agents) / d.Interval().Seconds()
	if d.OwnNode() || rate <= float64(perSecond) {
		return nil
	}
	return fmt.Errorf("%d agents would ask it %.0f times a second, over two connections every %v; -backend-rate-limit allows %d: it should have fewer agents, or a longer intervalMillis",
		agents, rate, d.Interval(), perSecond)
}
