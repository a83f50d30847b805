package shared

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/netchecker/netchecker/agent/probe"
	"github.com/netchecker/netchecker/pkg/assignment"
	"github.com/netchecker/netchecker/pkg/report"
)

const name = "netchecker.test."

func TestWhatALookupLeadsTo(t *testing.T) {
	t.Parallel()
	right := []netip.Addr{addr("10.96.0.9"), addr("fd00::9")}
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for _, row := range []struct {
		name   string
		server netip.AddrPort
		want   []netip.Addr
		is     Outcome
	}{
		{"right in both families", nameServer(t, dnsmessage.RCodeSuccess, right...), right, Outcome{}},
		{"right in one", nameServer(t, dnsmessage.RCodeSuccess, right[0]), right, Outcome{}},
		{"any, where what is right is not known", nameServer(t, dnsmessage.RCodeSuccess, addr("10.1.2.3")), nil, Outcome{}},
		{"another address", nameServer(t, dnsmessage.RCodeSuccess, right[0], addr("10.1.2.3")), right, Outcome{wrong, "10.1.2.3 was answered"}},
		{"no such name", nameServer(t, dnsmessage.RCodeNameError), right, Outcome{wrong, "no such host"}},
		{"no address", nameServer(t, dnsmessage.RCodeSuccess), right, Outcome{wrong, "lame referral"}},
		{"a server that can't say", nameServer(t, dnsmessage.RCodeServerFailure), right, Outcome{wrong, "server misbehaving"}},
		{"nobody listens", netip.AddrPortFrom(addr("127.0.0.1"), closed(t).Port()), right, Outcome{refused, "connection refused"}},
		{"silence", netip.MustParseAddrPort(silent.LocalAddr().String()), right, Outcome{lost, "no answer"}},
	} {
		patience := time.Minute
		if row.is.fate == lost {
			patience = 300 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		got := Real(probe.Names{}).ask(ctx, &question{kind: report.DNSServer, name: name, server: row.server, want: row.want})
		cancel()
		if got != row.is {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.is)
		}
	}
}

func TestTheConfiguredNameServerIsAskedWhereNoOtherIsNamed(t *testing.T) {
	t.Parallel()
	configured := nameServer(t, dnsmessage.RCodeSuccess, addr("10.96.0.9"))
	ways := Real(probe.Names{}.At(configured))
	if got := ways.ask(t.Context(), &question{kind: report.DNS, name: name, want: []netip.Addr{addr("10.96.0.9")}}); got != (Outcome{}) {
		t.Errorf("got %+v", got)
	}
}

// The servers budget with that.
func TestALookupOfAFullNameSendsAQuestionForEachFamily(t *testing.T) {
	t.Parallel()
	to := nameServer(t, dnsmessage.RCodeSuccess, addr("10.96.0.9"), addr("fd00::9"))
	var sent atomic.Int32
	ways := Real(probe.Names{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		sent.Add(1) // each question has a socket of its own
		return (&net.Dialer{}).DialContext(ctx, "udp", to.String())
	}})
	for _, q := range questionsOf(&assignment.Shared{Name: "netchecker-service.ns.svc", DNSEvery: 5000}, Place{Domain: "cluster.local"}) {
		if got := ways.ask(t.Context(), &q); got != (Outcome{}) || sent.Load() != 2 {
			t.Errorf("%+v: %+v, with %d questions", q, got, sent.Load())
		}
	}
	if sent.Load() == 0 {
		t.Error("nothing was asked")
	}
}

func TestWhatAConnectionLeadsTo(t *testing.T) {
	t.Parallel()
	open, none := listening(t), closed(t)
	leads := nameServer(t, dnsmessage.RCodeSuccess, addr("127.0.0.1"))
	for _, row := range []struct {
		name     string
		question question
		is       Outcome
	}{
		{"made", question{address: open}, Outcome{}},
		{"refused", question{address: none}, Outcome{refused, "connection refused"}},
		{"made by name", question{name: name, server: leads, port: open.Port()}, Outcome{}},
		{"refused by name", question{name: name, server: leads, port: none.Port()}, Outcome{refused, "connection refused"}},
		{"a name that is not there", question{name: name, server: nameServer(t, dnsmessage.RCodeNameError), port: open.Port()}, Outcome{wrong, "no such host"}},
	} {
		if got := Real(probe.Names{}).ask(t.Context(), &row.question); got != row.is {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.is)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := Real(probe.Names{}).ask(ctx, &question{address: open}); got.fate != lost {
		t.Errorf("without time: %+v", got)
	}
}
