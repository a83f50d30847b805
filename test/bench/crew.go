package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
)

const (
	// namespace is where the made-up pods are said to live.
	namespace = "netchecker"
	// padding is the original agents' default, in zeros.
	padding = 1500
)

// agent is a made-up agent's pod.
type agent struct {
	name, node string
	network    report.Network
	// boot is its boot id; empty of an original agent. With samples it samples a backend.
	boot    string
	samples bool
	// rows are those of its sessions with others; nil of one that does not mesh.
	rows []report.Session
	// address and zone are told of one that meshes.
	address, zone string
}

// crew is n agents, one for either network of each node.
func crew(n int) []agent {
	all := make([]agent, n)
	for i := range all {
		node := nodeName(i / 2)
		all[i] = agent{name: "netchecker-agent-" + node, node: node, network: report.Pod}
		if i%2 == 1 {
			all[i] = agent{name: "netchecker-agent-hostnet-" + node, node: node, network: report.Host}
		}
	}
	return all
}

func nodeName(i int) string { return fmt.Sprintf("node-%05d", i) }
func zoneName(i int) string { return fmt.Sprintf("zone-%d", i%zones) }

// report is what an original agent says: the example of the contract, for a. One that
// samples a backend says besides what is open.
func (a agent) report(interval int) report.Report {
	r := report.Report{
		ReportInterval: int64(interval),
		NodeName:       a.node,
		PodName:        a.name,
		HostDate:       time.Date(2017, 11, 30, 14, 54, 19, 500_000_000, time.UTC),
		Uptime:         12345,
		NSLookup:       map[string][]string{"netchecker-service": {"10.233.54.44"}},
		IPs:            map[string][]string{"eth0": {"10.0.0.2/24"}},
		NetworkProbes: []report.ProbeResult{{
			URL: "http://netchecker-service:8081/api/v1/ping", ConnectionResult: 1, HTTPCode: 200, Total: 2,
			DNSLookup: 1, Connect: 1,
		}},
	}
	if a.boot != "" {
		r.Namespace, r.BootID, r.Clock = namespace, a.boot, settled
	}
	if a.samples {
		r.Disruption = &report.Disruption{AsOf: settled, Open: folds(1, report.Info, "", 0, 0)}
	}
	if a.rows != nil {
		r.Mesh = &report.Mesh{AsOf: settled, Sessions: report.SessionsOf(a.rows...)}
		r.Understands = map[string]string{assignment.Topic: untold}
	}
	return r
}

// record is the value that the server stores for a's report.
func (a agent) record(interval int) []byte {
	return report.AppendRecord(nil, &report.Record{Report: a.report(interval), LastUpdated: time.Now().UTC()})
}

// untold is the version that a report states of one who was told nothing: as long as one may be, none that a
// server has, with room for those.
var untold = strings.Repeat("-", 64)

// requests are the agents' reports as HTTP requests, encoded ahead. What they all
// end with, the padding, is kept once.
type requests struct {
	heads [][]byte
	tail  []byte
	// versions is where each head states which news its agent has; -1 of one to whom
	// there is none to tell.
	versions []int
}

// Header lines are added to those that an original agent sends.
func encode(crew []agent, addr string, interval int, header ...string) *requests {
	var rs requests
	more := strings.Join(append(header, ""), "\r\n")
	for _, a := range crew {
		r := a.report(interval)
		body := report.Append(nil, &r, padding)
		at := bytes.LastIndexByte(body, '[') + 1
		rs.tail = body[at:]
		head := fmt.Appendf(nil, "POST /api/v1/agents/%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Go-http-client/1.1\r\n"+
			"Content-Length: %d\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n%s\r\n", a.name, addr, len(body), more)
		head = append(head, body[:at]...)
		rs.heads, rs.versions = append(rs.heads, head), append(rs.versions, bytes.Index(head, []byte(untold)))
	}
	return &rs
}

// appendTo appends the request of the agent at index i.
func (rs *requests) appendTo(dst []byte, i int) []byte {
	return append(append(dst, rs.heads[i]...), rs.tail...)
}

// hear has the next report of the agent at index i state the version that the server
// replied.
func (rs *requests) hear(i int, reply []byte) {
	_, after, _ := bytes.Cut(reply, []byte(`"version":"`))
	version, _, told := bytes.Cut(after, []byte(`"`))
	at := rs.versions[i]
	if at < 0 || !told || len(version) > len(untold) {
		return
	}
	// What is left of the room comes after the end of the string, where JSON allows spaces.
	room := rs.heads[i][at : at+len(untold)+1]
	n := copy(room, version)
	room[n] = '"'
	for n++; n < len(room); n++ {
		room[n] = ' '
	}
}

// agentsFile is the content of the server's -agents-file. It is JSON, which is
// YAML too and read faster.
func agentsFile(crew []agent) []byte {
	b := []byte(`{"agents":[`)
	for i, a := range crew {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "\n"+`{"name":%q,"namespace":%q,"node":%q,"network":%q`, a.name, namespace, a.node, a.network)
		if a.address != "" {
			b = fmt.Appendf(b, `,"addresses":[%q],"meshPort":8083`, a.address)
		}
		b = append(b, '}')
	}
	b = append(b, `],"nodes":[`...)
	for i := 0; i < len(crew) && crew[i].zone != ""; i += 2 { // one for both of its agents
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "\n"+`{"name":%q,"zone":%q}`, crew[i].node, crew[i].zone)
	}
	return append(b, "]}\n"...)
}
