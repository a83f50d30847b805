package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/server/mesh"
)

// sessionsEach is how many sessions an agent of a large cluster runs: with both agents of
// 8 nodes, and with the other one of its own.
const sessionsEach = 17

// updateRounds are enough for medians, since each takes more than a minute.
const updateRounds = 3

// measureUpdates is the part "updates": all agents tell at once that their paths have
// become worse, as when a zone is cut off.
func measureUpdates(ctx context.Context, s *stage) ([]result, error) {
	of := fmt.Sprintf("%d updates within %v", s.updateAgents, s.updateSpread)
	figures := []figure{
		{name: fmt.Sprintf("Reports' p99, %d agents that probe each other, nothing happens", s.updateAgents), unit: "ms", decimals: 1},
		{name: fmt.Sprintf("Reports' p99 over the %v around %s", s.stormFor, of), unit: "ms", decimals: 1},
		{name: "All are stored after " + of, unit: "s", decimals: 2},
		{name: "Share of updates that had to be sent again", decimals: 2},
	}
	trials, err := s.trials(func(b build) (trial, error) {
		return func(ctx context.Context, round int) (values []float64, err error) {
			s.say("%s", b.of(fmt.Sprintf("round %d: %d agents report every %d s, with and without %s", round+1, s.updateAgents, s.interval, of)))
			err = s.scoped(func() (err error) {
				values, err = s.cutOff(ctx, b)
				return err
			})
			return values, err
		}, nil
	})
	if err != nil {
		return nil, err
	}
	results, err := inTurn(ctx, figures, min(s.rounds, updateRounds), trials)
	if err == nil {
		results[1].target = &target{limit: max(2*results[0].value(), 50)}
	}
	return results, err
}

// cutOff measures one build: reports for a while, and for as long with the updates in it.
func (s *stage) cutOff(ctx context.Context, b build) ([]float64, error) {
	etcd, err := s.startEtcd(ctx)
	if err != nil {
		return nil, err
	}
	crew := probing(crew(s.updateAgents))
	list, err := s.writeAgents(crew)
	if err != nil {
		return nil, err
	}
	srv, err := s.startServer(ctx, b, "-etcd-endpoints", etcd.Endpoint, "-agents-file", list)
	if err != nil {
		return nil, err
	}
	reports, messages := encode(crew, srv.addr, s.interval), updates(crew, srv.addr)
	var usual, around times
	if err := s.reportFor(ctx, srv, reports, s.meshing(s.stormFor), &times{}, nothing); err != nil {
		return nil, err
	}
	if err := s.reportFor(ctx, srv, reports, s.stormFor, &usual, nothing); err != nil {
		return nil, err
	}
	s.say("%s", b.of(fmt.Sprintf("%d reports, p99 %.1f ms", len(usual.all), usual.p99())))
	var w wave
	err = s.reportFor(ctx, srv, reports, s.stormFor, &around, func(ctx context.Context) (err error) {
		if !sleepUntil(ctx, time.Now().Add(s.stormFor/6)) {
			return ctx.Err()
		}
		w, err = sendAll(ctx, srv.addr, messages, s.updateSpread)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.say("%s", b.of(fmt.Sprintf("%d updates within %v: all is stored after %v, %d were sent again; %d reports, p99 %.1f ms", len(crew), s.updateSpread, w.took, w.again, len(around.all), around.p99())))
	again := float64(w.again) / float64(len(crew))
	return []float64{usual.p99(), around.p99(), w.took.Seconds(), again}, s.wantAllLost(ctx, srv, len(crew))
}

// probing has each of the crew probe those that follow it.
func probing(crew []agent) []agent {
	ids := make([]uint64, len(crew))
	for i, a := range crew {
		ids[i] = mesh.ID(&fleet.Agent{Key: fleet.Key{Namespace: namespace, Name: a.name}})
	}
	for i := range crew {
		crew[i].boot = fmt.Sprintf("%016x", i+1)
		crew[i].address = fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&0xff, i&0xff)
		crew[i].zone = zoneName(i / 2)
		for k := range sessionsEach {
			peer := (i + k + 1) % len(crew)
			crew[i].rows = append(crew[i].rows, report.Session{
				ID: uint64(k + 1), Peer: ids[peer], Host: crew[peer].network == report.Host, Began: 60_000,
				Sent: 30, RoundTrips: 45_000, Shortest: 400, Longest: 9000, Dialed: 6, Dials: 9000, MTU: 1500, Sized: 3, There: 1500, Here: 1500,
			})
		}
	}
	return crew
}

// updates are those of a crew, as requests.
func updates(crew []agent, addr string) [][]byte {
	all := make([][]byte, len(crew))
	for i, a := range crew {
		all[i] = a.update(addr)
	}
	return all
}

// update is a's, as a request: a datagram of each session was lost since.
func (a agent) update(addr string) []byte {
	rows := make([]report.Session, len(a.rows))
	for i, r := range a.rows {
		r.Sent, r.Forward = r.Sent+5, 1
		rows[i] = r
	}
	m := report.Mesh{AsOf: settled + 5*time.Second, Sessions: report.SessionsOf(rows...)}
	return a.posted(addr, report.UpdatesKind, 1, report.AppendMesh(nil, &m))
}

// wantAllLost asks the server whether it knows of every datagram that the updates say was
// lost, and how long that answer takes.
func (s *stage) wantAllLost(ctx context.Context, srv *server, agents int) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return srv.WaitUntil(ctx, func(context.Context) error {
		c := newConn(srv.addr)
		defer c.close()
		began := time.Now()
		status, body, err := c.do(get(srv.addr, "/api/v1/mesh?by=zone"))
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("asking for the mesh: %d, %w", status, err)
		}
		var answer struct {
			Cells []struct {
				Lost int `json:"lost_forward"`
			} `json:"cells"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return fmt.Errorf("reading %.300s: %w", body, err)
		}
		lost := 0
		for _, c := range answer.Cells {
			lost += c.Lost
		}
		if lost != agents*sessionsEach {
			return fmt.Errorf("the server knows of %d datagrams that were lost, want %d", lost, agents*sessionsEach)
		}
		s.say("The server sums that up in %v", time.Since(began).Round(100*time.Microsecond))
		return nil
	})
}
