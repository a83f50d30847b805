package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// nodeTargets are whom an agent probes beyond its own node: both agents of 8 peers.
const nodeTargets = 16

// nodeMost is how many bytes a node may send each second, by the MTU.
var nodeMost = []struct{ mtu, most int }{{1500, 25_000}, {9000, 75_000}}

// measureTraffic is the part "traffic".
func measureTraffic(ctx context.Context, s *stage) ([]result, error) {
	var figures []figure
	for _, row := range nodeMost {
		figures = append(figures, figure{
			name: fmt.Sprintf("Bytes that a node sends for 8 peers, MTU %d", row.mtu), unit: "/s", target: &target{limit: float64(row.most)},
		})
	}
	trials, err := s.trials(func(b build) (trial, error) {
		return func(ctx context.Context, round int) (values []float64, err error) {
			for _, row := range nodeMost {
				seen, err := s.runApart(ctx, b, "-ending", byProbes, "-mtu", strconv.Itoa(row.mtu),
					"-backends-seconds", strconv.FormatFloat(s.sampleFor.Seconds(), 'f', -1, 64))
				if err != nil {
					return nil, err
				}
				s.say("%s", b.of(fmt.Sprintf("round %d: with an MTU of %d, a node sends %.0f bytes/s", round+1, row.mtu, seen.Sent)))
				values = append(values, seen.Sent)
			}
			return values, nil
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return inTurn(ctx, figures, min(s.rounds, backendRounds), trials)
}

// probeAndLook lets two agents probe each other in this network namespace, and counts
// what both send. Each sends questions, and answers to as many, which is what one agent
// of a node does: so both together send what a node does with its two. Their reports,
// and what they ask of all that is shared, are in it, with what comes back for that.
func (s *stage) probeAndLook(ctx context.Context) (seen traces, err error) {
	if _, err := s.startMesh(ctx, s.builds[0], scene{targets: nodeTargets, families: 1, otherEvery: strconv.Itoa(s.interval), shares: true}); err != nil {
		return traces{}, err
	}
	if !sleepUntil(ctx, time.Now().Add(min(meshSettling, s.sampleFor))) {
		return traces{}, ctx.Err()
	}
	before, err := sentByLo()
	if err != nil {
		return traces{}, err
	}
	began := time.Now()
	if !sleepUntil(ctx, began.Add(s.sampleFor)) {
		return traces{}, ctx.Err()
	}
	after, err := sentByLo()
	seen.Sent = (after - before) / time.Since(began).Seconds()
	return seen, err
}
