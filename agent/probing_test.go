package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/netchecker/netchecker/agent/reflector"
	"github.com/netchecker/netchecker/pkg/cli"
	"github.com/netchecker/netchecker/test/eventually"
	"github.com/netchecker/netchecker/test/wire"
)

// probed runs the command, and returns what it prints; out gets that as it comes.
func probed(ctx context.Context, out *locked, args ...string) (code int, stdout, stderr string) {
	var errs strings.Builder
	p := command(&Options{})
	p.Commands = map[string]cli.Program{"probe": probing(out)}
	code = p.Run(ctx, append([]string{"probe"}, args...), out, &errs)
	return code, out.String(), errs.String()
}

// answering is the port of an agent's responder.
func answering(t *testing.T, address string) uint16 {
	t.Helper()
	r, err := reflector.Listen(t.Context(), reflector.Config{Address: address, Boot: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r.Port()
}

const (
	took    = `\d+(\.\d+)?[mµ]?s`
	figures = `; in ` + took + `, from ` + took + ` to ` + took
	notMe   = `"Not me" shows that the path is well both ways\. It is small, so large packets were tried on the way there alone\.`
)

func TestProbeTellsAnAgentThatAnswersAndEndsWith0(t *testing.T) {
	t.Parallel()
	port := answering(t, "0.0.0.0:0")
	for _, target := range []string{"127.0.0.1", "[::1]"} {
		code, out, errs := probed(t.Context(), new(locked), fmt.Sprint(target, ":", port), "-count=3", "-interval=200ms", "-sizes=false")
		if code != 0 || errs != "" {
			t.Errorf("exit %d, %s", code, errs)
		}
		for _, want := range []struct {
			text  string
			times int
		}{{"  udp   answered (not me) in ", 3}, {"  tcp   answered (not me) in ", 1}} {
			if n := strings.Count(out, want.text); n != want.times {
				t.Errorf("%q is told %d times, want %d, in\n%s", want.text, n, want.times, out)
			}
		}
		_, sums, _ := strings.Cut(out, "\n\n")
		wantMatch(t, sums,
			strings.NewReplacer("[", `\[`, "]", `\]`).Replace(target)+fmt.Sprint(":", port)+`, for \d+(\.\d)?m?s:`,
			`udp   answered 3, refused 0, lost 0, not sent 0`+figures,
			`tcp   answered 1, refused 0, lost 0, not sent 0`+figures,
			notMe)
	}
}

func TestProbeTellsThatNobodyAnswersAndEndsWith1(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	closed := "127.0.0.1:1"
	for _, row := range []struct {
		target, line string
		udp, tcp     string
	}{
		{closed, "  udp   refused: the path is well, and no agent answers there\n", `refused 2, lost 0, not sent 0`, `refused 1, lost 0, not sent 0`},
		{silent.LocalAddr().String(), "  udp   lost\n", `refused 0, lost 2, not sent 0`, `refused 1, lost 0, not sent 0`},
	} {
		code, out, errs := probed(t.Context(), new(locked), row.target, "-count=2", "-interval=200ms", "-timeout=300ms")
		if code != 1 || errs != "" {
			t.Errorf("%s: exit %d, %s", row.target, code, errs)
		}
		if strings.Count(out, row.line) != 2 {
			t.Errorf("%q is not told twice in\n%s", row.line, out)
		}
		_, sums, _ := strings.Cut(out, "\n\n")
		wantMatch(t, sums, row.target+`, for \d+(\.\d)?m?s:`, `udp   answered 0, `+row.udp, `tcp   answered 0, `+row.tcp, `size  no large packet was tried, since no small one was answered`)
	}
}

func TestProbeTellsThatLargePacketsVanishAndEndsWith1(t *testing.T) {
	t.Parallel()
	if !wire.Apart(t) {
		return
	}
	w := wire.New(t, 1500)
	port := answering(t, "0.0.0.0:0")
	var both sync.WaitGroup
	defer both.Wait()
	for _, six := range []bool{false, true} {
		to := netip.AddrPortFrom(wire.Seen(2, six), port).String()
		code, out, _ := probed(t.Context(), new(locked), to, "-count=3", "-interval=200ms")
		want := "\nsize  packets of up to 1500 bytes pass on the way there; the route takes 1500\n"
		if code != 0 || strings.Count(out, "  size  a packet of 1500 bytes passes there\n") != 1 || !strings.Contains(out, want) {
			t.Errorf("exit %d\n%s", code, out)
		}
	}
	w.Set(1, 2, wire.Way{Takes: 1400})
	for _, six := range []bool{false, true} {
		to := netip.AddrPortFrom(wire.Seen(2, six), port).String()
		both.Go(func() {
			code, out := vanishing(t, to)
			want := "\nsize  packets of 1500 bytes, which the route takes, vanish on the way there; such of "
			if code != 1 || !strings.Contains(out, want) {
				t.Errorf("exit %d\n%s", code, out)
			}
		})
	}
}

// vanishing runs the command until it looks for the size that passes.
func vanishing(t *testing.T, to string) (code int, stdout string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := new(locked)
	done := make(chan struct{})
	go func() {
		defer close(done)
		code, _, _ = probed(ctx, out, to, "-timeout=300ms")
	}()
	searches := regexp.MustCompile(`a packet of 7\d\d bytes passes there`)
	eventually.True(t, "it looks for the size", func() bool { return searches.MatchString(out.String()) })
	cancel()
	<-done
	return code, out.String()
}

func TestProbeOfWhatCannotBeAskedEndsWith2(t *testing.T) {
	for _, row := range []struct{ args, want string }{
		{"", "HOST:PORT is missing; see netchecker-agent probe -help"},
		{"a:1 b:2", `unexpected argument "b:2"; see netchecker-agent probe -help`},
		{"a", `HOST:PORT is "a"; it should be the address of an agent, such as 10.244.1.5:8083 or [fd00::5]:8083`},
		{":8083", `HOST:PORT is ":8083"; it should be the address of an agent, such as 10.244.1.5:8083 or [fd00::5]:8083`},
		{"a:0", `HOST:PORT is "a:0"; it should be the address of an agent, such as 10.244.1.5:8083 or [fd00::5]:8083`},
		{"a:1 -interval 100ms", "-interval is 100ms; it should be from 200ms to 1m"},
		{"a:1 -timeout 1m", "-timeout is 1m0s; it should be from 100ms to 10s"},
		{"a:1 -for -1s", "-for is -1s; it should be how long to go on, or 0s"},
		{"169.254.169.254:80", "169.254.169.254:80 leads to 169.254.169.254, a link-local address, which no agent may be aimed at"},
	} {
		code, out, errs := probed(t.Context(), new(locked), strings.Fields(row.args)...)
		if code != cli.ExitUsage || out != "" || errs != "netchecker-agent probe: "+row.want+"\n" {
			t.Errorf("%s: exit %d, %s%s", row.args, code, out, errs)
		}
	}
}

func TestProbeThatIsEndedAtOnceDoesNotEndWell(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, _, errs := probed(ctx, new(locked), "127.0.0.1:1")
	if want := "netchecker-agent probe: it ended before anything could be answered\n"; code != cli.ExitError || errs != want {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestHelpOfProbeTellsEveryFlagInItsGroupOnce(t *testing.T) {
	code, out, _ := probed(t.Context(), new(locked), "-h")
	if code != cli.ExitOK || !strings.Contains(out, "Usage: netchecker-agent probe [flags] HOST:PORT\n") {
		t.Errorf("exit %d\n%s", code, out)
	}
	var o probeOptions
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	o.addFlags(fs)
	fs.VisitAll(func(f *flag.Flag) {
		if n := strings.Count(out, "\n  -"+f.Name+" "); n != 1 {
			t.Errorf("-%s is told %d times", f.Name, n)
		}
	})
}
