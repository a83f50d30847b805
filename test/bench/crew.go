package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"

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
}

// crew is n agents, one for either network of each node.
func crew(n int) []agent {
	all := make([]agent, n)
	for i := range all {
		node := fmt.Sprintf("node-%05d", i/2)
		all[i] = agent{"netchecker-agent-" + node, node, report.Pod}
		if i%2 == 1 {
			all[i] = agent{"netchecker-agent-hostnet-" + node, node, report.Host}
		}
	}
	return all
}

// report is what an original agent says: the example of the contract, for a.
func (a agent) report(interval int) report.Report {
	return report.Report{
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
}

// record is the value that the server stores for a's report.
func (a agent) record(interval int) []byte {
	return report.AppendRecord(nil, &report.Record{Report: a.report(interval), LastUpdated: time.Now().UTC()})
}

// requests are the agents' reports as HTTP requests, encoded ahead. What they all
// end with, the padding, is kept once.
type requests struct {
	heads [][]byte
	tail  []byte
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
		rs.heads = append(rs.heads, append(head, body[:at]...))
	}
	return &rs
}

// appendTo appends the request of the agent at index i.
func (rs *requests) appendTo(dst []byte, i int) []byte {
	return append(append(dst, rs.heads[i]...), rs.tail...)
}

// agentsFile is the content of the server's -agents-file. It is JSON, which is
// YAML too and read faster.
func agentsFile(crew []agent) []byte {
	b := []byte(`{"agents":[`)
	for i, a := range crew {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "\n"+`{"name":%q,"namespace":%q,"node":%q,"network":%q}`, a.name, namespace, a.node, a.network)
	}
	return append(b, "]}\n"...)
}
