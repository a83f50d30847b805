// Package collect gathers what one report tells: who this agent is (Identify),
// what its pod has (interfaces, the host's uptime), and what it sees (lookups and
// probes). One call of [Collector.Collect] is a round. All that waits is done
// side by side under a deadline, so a round ends in time whatever hangs, and what
// it returns belongs to the caller: nothing writes to it any more.
package collect

import (
	"context"
	"sync"
	"time"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/report"
)

// Collector makes rounds. Its fields are set before the first and not changed;
// its functions are called by many goroutines at once.
type Collector struct {
	Self Self
	// BootID is the agent's, told in each report.
	BootID string
	// Interval is the time between two reports, told in each.
	Interval time.Duration
	// Deadline is what each lookup and each probe may take.
	Deadline time.Duration
	// URLs are probed in each round.
	URLs []string
	// Host is looked up in each round: the server's.
	Host string

	// Probe returns a complete result whether or not it fails, once ctx ends at
	// the latest.
	Probe func(ctx context.Context, url string) (report.ProbeResult, error)
	// Lookup returns the sorted addresses of host, once ctx ends at the latest.
	Lookup func(ctx context.Context, host string) ([]string, error)
	// Interfaces returns the interfaces that are up.
	Interfaces func() ([]Interface, error)
	// Uptime returns how long the host has been up, in seconds.
	Uptime func() (uint64, error)
	// Disruption returns what is known of the backends that are sampled, nil where none
	// is. It may be nil itself.
	Disruption func() *report.Disruption
	// Mesh returns what is known of the paths to other agents. It may be nil itself, where
	// the agent does not mesh.
	Mesh func() *report.Mesh
	// Now is the wall clock.
	Now func() time.Time
}

// Round is what one round found.
type Round struct {
	Report report.Report
	// MTU is the largest of the pod's interfaces, in bytes; 0 if not known.
	MTU int
	// Findings say, for everything that was tried, how it went, in a fixed order.
	Findings []Finding
}

// Finding is how one thing that was tried went.
type Finding struct {
	// Name is the same in every round: "probe of http://…", "lookup of …".
	Name string
	// Err is nil where it went well.
	Err error
}

// Collect makes a round. It takes little longer than the Deadline, and returns
// early where ctx ends; what it found is then worth nothing.
func (c *Collector) Collect(ctx context.Context) Round {
	ctx, cancel := context.WithTimeout(ctx, c.Deadline)
	defer cancel()
	var (
		waiting   sync.WaitGroup
		addresses []string
		lookupErr error
		results   = make([]report.ProbeResult, len(c.URLs))
		probeErrs = make([]error, len(c.URLs))
	)
	waiting.Go(func() { addresses, lookupErr = c.Lookup(ctx, c.Host) })
	for i, url := range c.URLs {
		waiting.Go(func() { results[i], probeErrs[i] = c.Probe(ctx, url) })
	}
	interfaces, interfacesErr := c.Interfaces()
	uptime, uptimeErr := c.Uptime()
	waiting.Wait()

	round := Round{Report: report.Report{
		ReportInterval: int64(c.Interval / time.Second),
		NodeName:       c.Self.NodeName,
		PodName:        c.Self.PodName,
		Namespace:      c.Self.Namespace,
		UID:            c.Self.UID,
		BootID:         c.BootID,
		Network:        c.Self.Network,
		HostDate:       c.Now(),
		Uptime:         uptime,
		NSLookup:       map[string][]string{c.Host: addresses},
		IPs:            byName(interfaces),
		Addresses:      c.Self.Addresses,
		NetworkProbes:  results,
	}, MTU: LargestMTU(interfaces)}
	if len(c.Self.Addresses) == 0 {
		round.Report.Addresses = globalUnicast(interfaces)
	}
	if c.Disruption != nil {
		round.Report.Disruption = c.Disruption()
	}
	if c.Mesh != nil {
		round.Report.Mesh = c.Mesh()
	}
	round.Findings = append(round.Findings,
		Finding{"network interfaces", interfacesErr},
		Finding{"uptime", uptimeErr},
		Finding{"lookup of " + c.Host, lookupErr})
	for i, err := range probeErrs {
		round.Findings = append(round.Findings, Finding{"probe of " + probe.Name(c.URLs[i]), err})
	}
	return round
}
