package probe

import (
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

// phases notes when each phase of a request begins and ends. Its hooks are
// called by several goroutines, also after the request is over: where a host has
// IPv4 and IPv6 addresses both are dialled, and the slower one is given up.
type phases struct {
	mu                 sync.Mutex
	dnsStart, dnsDone  time.Time
	connects           map[string]time.Time // dials under way, by address
	tcpStart, tcpDone  time.Time            // of the dial that won
	wroteRequest       time.Time
	firstResponseBytes time.Time
}

func (p *phases) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:  func(string) { p.reset() },
		DNSStart: func(httptrace.DNSStartInfo) { p.note(&p.dnsStart) },
		DNSDone: func(i httptrace.DNSDoneInfo) {
			if i.Err == nil {
				p.note(&p.dnsDone)
			}
		},
		ConnectStart:         func(_, address string) { p.connecting(address) },
		ConnectDone:          func(_, address string, err error) { p.connected(address, err) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { p.note(&p.wroteRequest) },
		GotFirstResponseByte: func() { p.note(&p.firstResponseBytes) },
	}
}

// reset forgets the request before a redirect.
func (p *phases) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dnsStart, p.dnsDone, p.tcpStart, p.tcpDone = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	p.wroteRequest, p.firstResponseBytes = time.Time{}, time.Time{}
	p.connects = map[string]time.Time{}
}

func (p *phases) note(at *time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*at = time.Now()
}

func (p *phases) connecting(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connects[address] = time.Now()
}

func (p *phases) connected(address string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || !p.tcpDone.IsZero() {
		return
	}
	p.tcpStart, p.tcpDone = p.connects[address], time.Now()
}

// fill sets the times of result as go-httpstat, which the original agents use,
// means them: Connect is cumulative, from the begin of the lookup to the end of
// the TCP handshake; ServerProcessing is from the request's last byte to the
// answer's first; ContentTransfer is from there to the end.
func (p *phases) fill(result *report.ProbeResult, ended time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	begin := p.dnsStart
	if begin.IsZero() { // no lookup: the URL has an address
		begin = p.tcpStart
	}
	result.DNSLookup = between(p.dnsStart, p.dnsDone)
	result.TCPConnection = between(p.tcpStart, p.tcpDone)
	result.Connect = between(begin, p.tcpDone)
	result.ServerProcessing = between(p.wroteRequest, p.firstResponseBytes)
	result.ContentTransfer = between(p.firstResponseBytes, ended)
}

// between is in milliseconds; 0 where one of the two never was.
func between(from, to time.Time) int64 {
	if from.IsZero() || to.IsZero() {
		return 0
	}
	return max(0, to.Sub(from).Milliseconds())
}
