//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

const (
	// perBackend is how many samplers a backend has: six agents over two connections.
	perBackend = 6 * 2
	// late is how much later than something the first sample is that meets it: one
	// interval, and what a busy machine adds.
	late = 1300 * time.Millisecond
	// resent is how much earlier than its end something may be over for a sample: whose
	// packet is sent again after it, the third time 3 s after the first (RFC 6298), has an
	// answer in time.
	resent = 4 * time.Second
)

// withSampledRelease ends with agents that sample a shop, too, and one of which has a
// wall clock that is ahead.
func (w world) withSampledRelease() {
	w.Helper()
	w.withQuickRelease()
	w.openShop()
	w.upgrade(append([]string{"--values", w.declared()}, quick...)...)
	w.oneAhead()
	w.allSampled()
}

// openShop makes it anew, on the server's node.
func (w world) openShop() {
	w.Helper()
	manifest, err := os.ReadFile("testdata/shop.yaml")
	w.must(err)
	w.kubectl("delete", "namespace", "shop", "--ignore-not-found", "--wait")
	w.feed(strings.ReplaceAll(string(manifest), "NODE", w.serverNode()), "apply", "--filename=-")
	w.kubectl("wait", "pod/shop", "--namespace=shop", "--for=condition=Ready", "--timeout=60s")
}

// declared is a file of values with the backends.
func (w world) declared() string {
	w.Helper()
	values, err := os.ReadFile("testdata/backends.yaml")
	w.must(err)
	ip := w.kubectl("get", "service/shop", "--namespace=shop", "--output", "jsonpath={.spec.clusterIP}")
	path := filepath.Join(w.TempDir(), "backends.yaml")
	w.must(os.WriteFile(path, []byte(strings.ReplaceAll(string(values), "SHOP", ip)), 0o600))
	return path
}

// oneAhead gives one agent the image with the other clock.
func (w world) oneAhead() {
	w.Helper()
	door, name := w.door(), w.agents(w.others()[0])[0]
	w.kubectl("set", "image", "pod/"+name, "netchecker-agent="+aheadImage, "--namespace", namespace)
	w.eventually(func() error {
		var r struct {
			HostDate    time.Time `json:"hostdate"`
			LastUpdated time.Time `json:"last_updated"`
		}
		if err := w.getJSON(door, "agents/"+name, &r); err != nil {
			return err
		}
		if by := r.HostDate.Sub(r.LastUpdated); (by - ahead).Abs() > 2*time.Second {
			return fmt.Errorf("the clock of %s is ahead by %v, want %v", name, by, ahead)
		}
		return nil
	})
	w.eventually(func() error {
		var sums struct {
			Clocks []struct {
				Pod   string
				Ahead float64 `json:"ahead_seconds"`
			}
		}
		if err := w.getJSON(door, "disruption", &sums); err != nil {
			return err
		}
		if len(sums.Clocks) != 1 || sums.Clocks[0].Pod != namespace+"/"+name || sums.Clocks[0].Ahead < ahead.Seconds()-2 {
			return fmt.Errorf("of other clocks is told %+v, want that of %s, by %v", sums.Clocks, name, ahead)
		}
		return nil
	})
	w.Logf("the wall clock of %s is ahead by %v", name, ahead)
}

// allSampled waits until all agents find all four backends as they should be.
func (w world) allSampled() {
	w.Helper()
	door := w.door()
	w.eventually(func() error {
		good, err := w.good(door)
		if err == nil && len(good) != 4*perBackend {
			err = fmt.Errorf("%d samplers find all well, want %d", len(good), 4*perBackend)
		}
		return err
	})
}

// good are the samplers that find all well now.
func (w world) good(door netip.AddrPort) (map[sampler]bool, error) {
	list, err := w.intervals(door, time.Now().Add(-3*interval), "Info", "")
	if err != nil {
		return nil, err
	}
	good := map[sampler]bool{}
	for _, i := range list {
		if i.Open {
			good[i.sampler()] = true
		}
	}
	return good, nil
}

// observer asks the API server itself, every 100 ms, from outside.
type observer struct {
	// last is when the last good request before the outage began, first the first bad
	// one, back the first good one after it.
	last, first, back time.Time
	end               func()
}

// observe asks until end is called.
func (w world) observe() *observer {
	w.Helper()
	config, err := w.cluster.RESTConfig()
	w.must(err)
	config.Timeout = 5 * time.Second
	client, err := rest.HTTPClientFor(config)
	w.must(err)
	o := &observer{}
	ctx, cancel := context.WithCancel(w.Context())
	var asking sync.WaitGroup
	asking.Go(func() {
		for ctx.Err() == nil {
			begun := time.Now()
			good := o.ask(ctx, client, config.Host)
			if ctx.Err() == nil {
				o.note(begun, good)
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
		client.CloseIdleConnections()
	})
	o.end = sync.OnceFunc(func() { cancel(); asking.Wait() })
	w.Cleanup(o.end)
	return o
}

func (o *observer) ask(ctx context.Context, client *http.Client, host string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, host+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func (o *observer) note(at time.Time, good bool) {
	switch {
	case good && o.first.IsZero():
		o.last = at
	case !good && o.first.IsZero():
		o.first = at
	case good && o.back.IsZero():
		o.back = at
	case !good && !o.back.IsZero():
		o.back = time.Time{} // it was only for a moment
	}
}

// apiServerSampled: what agents tell of an outage of the API server agrees with what an
// observer saw, the one with the other clock as well; and Events can be read afterwards.
func apiServerSampled(w world) {
	door, begun := w.door(), time.Now()
	o := w.observe()
	w.eventually(func() error {
		if time.Since(begun) < 2*time.Second {
			return errors.New("the observer has not looked for long")
		}
		return nil
	})
	w.broken(func() { w.sleep(10 * time.Second) }, "apiserver-down")
	w.sleep(3 * time.Second)
	o.end()
	w.Logf("the API server was well until %s, not from %s on, and well again from %s on", stamp(o.last), stamp(o.first), stamp(o.back))
	for by, saw := range w.sawOnce(door, begun, "disruption/kube-api", perBackend) {
		w.between(fmt.Sprint(by, " began"), saw.from, o.last, o.first.Add(late))
		w.between(fmt.Sprint(by, " ended"), saw.to, o.back.Add(-late), o.back.Add(late))
	}
	for _, backend := range []string{"netchecker", "shop", "own-node"} {
		list, err := w.intervals(door, begun, "Error", "disruption/"+backend)
		w.must(err)
		if len(list) > 0 {
			w.Errorf("without the API server %s fails, too: %v", backend, list)
		}
	}
	w.told(begun, "kube-api")
}

// told waits for the Events of one outage: of each kind of connection and network, its
// beginning and its end, once.
func (w world) told(since time.Time, backend string) {
	w.Helper()
	var want []string
	for _, over := range []string{"kept", "new"} {
		for _, on := range []string{"host", "pod"} {
			line := fmt.Sprintf("%s over %s connections on the %s network", backend, over, on)
			want = append(want, "DisruptionBegan: "+line, "DisruptionEnded: "+line)
		}
	}
	slices.Sort(want)
	var messages []string
	read := func() []string {
		const columns = `jsonpath={range .items[*]}{.lastTimestamp} {.reason}: {.message}{"\n"}{end}`
		var got []string
		messages = nil
		for line := range strings.Lines(w.kubectl("get", "events", "--namespace", namespace, "--field-selector=involvedObject.name=netchecker-service", "--output", columns)) {
			at, text, _ := strings.Cut(strings.TrimSpace(line), " ")
			when, err := time.Parse(time.RFC3339, at)
			if err != nil || when.Before(since.Truncate(time.Second)) || !strings.Contains(text, ": "+backend+" ") {
				continue
			}
			text, _, _ = strings.Cut(strings.Replace(text, " was disrupted", " is disrupted", 1), " is disrupted")
			got, messages = append(got, text), append(messages, line)
		}
		slices.Sort(got)
		return got
	}
	w.eventually(func() error {
		if got := read(); !slices.Equal(got, want) {
			return fmt.Errorf("the Events are %q, want %q", got, want)
		}
		return nil
	})
	w.sleep(3 * time.Second)
	if got := read(); !slices.Equal(got, want) {
		w.Errorf("then the Events are %q, want %q", got, want)
	}
	for _, m := range messages {
		w.Log(strings.TrimSpace(m))
		if strings.Contains(m, "DisruptionEnded") && !strings.Contains(m, "from 3 of 3 agents") {
			w.Errorf("not all agents of the network are counted: %s", m)
		}
	}
}

// pathCut: agents that can't reach the server tell afterwards what they saw, once, with
// its true time; and what they go on to see meanwhile as well.
func pathCut(w world, node string) {
	door, server := w.door(), w.serverNode()
	begun := time.Now()
	var cut, healed time.Time
	w.must(w.cluster.Fault(w.Context(), "underlay-cut", node, server))
	cut = time.Now()
	w.sleep(60 * time.Second)
	heals := time.Now()
	w.must(w.cluster.Heal(w.Context(), "underlay-cut", node, server))
	healed = time.Now()
	w.await("", well)
	// The shop is beside the server. Both agents of the node lose it, over both kinds of
	// connection.
	for by, saw := range w.sawOnce(door, begun, "disruption/shop node/"+node, 4) {
		w.between(fmt.Sprint(by, " began"), saw.from, begun.Add(-late), cut.Add(late))
		// A connection that is tried when the path is back succeeds, however long before
		// it was begun: its first packet is sent again for 4 s.
		w.between(fmt.Sprint(by, " ended"), saw.to, heals.Add(-4*time.Second-late), healed.Add(late))
	}
	w.nothingUnknown(door, begun, node)
	list, err := w.intervals(door, begun, "", "disruption/own-node node/"+node)
	w.must(err)
	for by, saw := range stretches(list) {
		if len(saw) != 1 || !saw[0].open || saw[0].from.After(begun) {
			w.Errorf("%v was well all the time, and saw %v", by, saw)
		}
	}
}

// nothingUnknown waits until what agents of a node saw since then is known: what they say
// takes the place of what the server had to close.
func (w world) nothingUnknown(door netip.AddrPort, since time.Time, node string) {
	w.Helper()
	w.eventually(func() error {
		list, err := w.intervals(door, since, "Unknown", "node/"+node)
		if err == nil && len(list) > 0 {
			err = fmt.Errorf("unknown is still %v", list)
		}
		return err
	})
}

// isolatedIsUnknown: of a node that nobody hears nothing is known, neither good nor bad,
// until it is heard again.
func isolatedIsUnknown(w world, node string) {
	door, names := w.door(), w.agents(node)
	begun := time.Now()
	var cut, healed time.Time
	w.broken(func() {
		cut = time.Now()
		w.awaitAt(door, "", outdated(names))
		w.eventually(func() error { return w.unknownOf(door, node, begun, cut) })
		good, err := w.good(door)
		w.must(err)
		for by := range good {
			if by.node == node {
				w.Errorf("%v is said to be well", by)
			}
		}
		w.sleep(2 * interval) // more than what may succeed late
		healed = time.Now()
	}, "link-down", node)
	w.nothingUnknown(door, begun, node)
	for by, saw := range w.sawOnce(door, begun, "disruption/shop node/"+node, 4) {
		if length := saw.to.Sub(saw.from); length < healed.Sub(cut)-resent-late {
			w.Errorf("%v saw errors for %v alone", by, length)
		}
	}
}

// unknownOf is nil where each of the node's samplers is unknown now, from its last word
// on.
func (w world) unknownOf(door netip.AddrPort, node string, begun, cut time.Time) error {
	list, err := w.intervals(door, begun, "Unknown", "node/"+node)
	if err != nil {
		return err
	}
	for _, i := range list {
		if last := cut.Sub(i.From); last > 2*interval || last < -late {
			return fmt.Errorf("its last word was heard at %s, and the cable was pulled at %s: %s", stamp(i.From), stamp(cut), i)
		}
	}
	if n := len(stretches(list)); n != 4*4 {
		return fmt.Errorf("of %d samplers of %s is said that they are unknown, want %d", n, node, 4*4)
	}
	return nil
}

// overlayCutSampled: what crosses the overlay fails, and nothing else. Lookups cross it as
// well; one that is not answered is the agent's own trouble, and no error.
func overlayCutSampled(w world, node string) {
	w.allSampled() // what flapped before is not well again for a minute
	door := w.door()
	begun := time.Now()
	var cut time.Time
	w.broken(func() {
		cut = time.Now()
		w.sleep(20 * time.Second)
	}, "overlay-cut", node)
	// What got there by a detour meanwhile is closed at its last word, until the agent says
	// more.
	w.nothingUnknown(door, begun, node)
	for by, saw := range w.sawOnce(door, begun, "disruption/shop node/"+node, 4) {
		w.between(fmt.Sprint(by, " began"), saw.from, begun.Add(-late), cut.Add(late))
		if length := saw.to.Sub(saw.from); length < 20*time.Second-resent-late {
			w.Errorf("%v saw errors for %v alone", by, length)
		}
	}
	list, err := w.intervals(door, begun, "Error", "")
	w.must(err)
	for _, i := range list {
		if by := i.sampler(); by.node != node || by.backend != "netchecker" && by.backend != "shop" {
			w.Errorf("it does not cross the overlay of %s: %s", node, i)
		}
	}
}

// withdrawn: a backend that is not declared any more is not sampled any more, and what
// was seen of it stays.
func withdrawn(w world) {
	door, begun := w.door(), time.Now()
	w.helm(append([]string{"upgrade", "netchecker", "helm-chart/netchecker"}, quick...)...)
	w.eventually(func() error {
		good, err := w.good(door)
		if err != nil {
			return err
		}
		for by := range good {
			if by.backend == "shop" || by.backend == "own-node" {
				return fmt.Errorf("%v samples on", by)
			}
		}
		if len(good) != 2*perBackend {
			return fmt.Errorf("%d samplers find all well, want %d", len(good), 2*perBackend)
		}
		return nil
	})
	list, err := w.intervals(door, begun.Add(-time.Minute), "Info", "disruption/shop")
	w.must(err)
	if n := len(stretches(list)); n != perBackend {
		w.Errorf("of %d samplers of the shop is still known what they saw, want %d", n, perBackend)
	}
	w.kubectl("delete", "namespace", "shop", "--wait")
	// The one with the other clock is made anew.
	w.kubectl("delete", "pods", "--namespace", namespace, "--selector", bothAgents, "--wait")
	w.rolledOut()
	w.await("", wellWith(6))
}
