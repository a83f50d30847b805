//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// shopClosed: a backend that takes no connections for a while. What agents tell agrees
// with the shop's own log.
func shopClosed(w world) {
	door, begun := w.door(), time.Now()
	w.sleep(3 * time.Second)
	w.closeShop(8 * time.Second)
	w.sleep(8 * time.Second)
	saw := w.sawOnce(door, begun, "disruption/shop", perBackend)
	w.agrees(saw, w.gaps(begun), perBackend)
	w.told(begun, "shop")
}

// closeShop asks it to close.
func (w world) closeShop(during time.Duration) {
	w.Helper()
	ip := w.kubectl("get", "pod/shop", "--namespace=shop", "--output", "jsonpath={.status.podIP}")
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: w.cluster.DialFrom(w.serverNode()), DisableKeepAlives: true}}
	response, err := client.Post(fmt.Sprintf("http://%s:8080/close?for=%s", ip, during), "", nil)
	w.must(err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		w.Fatalf("the shop answers %s", response.Status)
	}
}

// shopWithoutEndpoints: a Service that leads nowhere loses new connections alone; those
// that there are go on.
func shopWithoutEndpoints(w world) {
	door, begun := w.door(), time.Now()
	w.sleep(3 * time.Second)
	w.selectShop("nobody")
	w.sleep(10 * time.Second)
	w.selectShop("shop")
	saw := w.sawOnce(door, begun, "disruption/shop", perBackend/2)
	for by := range saw {
		if by.connection != "new" {
			w.Errorf("a connection that was there fails: %v", by)
		}
	}
	w.agrees(saw, w.gaps(begun), perBackend/2)
}

// selectShop lets the Service lead to the pods with that label.
func (w world) selectShop(app string) {
	w.Helper()
	w.kubectl("patch", "service/shop", "--namespace=shop", "--patch", fmt.Sprintf(`{"spec": {"selector": {"app": %q}}}`, app))
}

// gap is a time in which a sampler asked nothing that the shop heard of: between the last
// request before it and the first one after it.
type gap struct{ last, next time.Time }

// gaps are those in the shop's log since then.
func (w world) gaps(since time.Time) []gap {
	w.Helper()
	asked := map[string][]time.Time{}
	log := w.kubectl("logs", "pod/shop", "--namespace=shop", "--since-time", since.UTC().Format(time.RFC3339))
	for line := range strings.Lines(log) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[1] != "asked" {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, fields[0])
		w.must(err)
		by, _, _ := strings.Cut(fields[2], "-") // each sampler begins its ids with another number
		asked[by] = append(asked[by], at)
	}
	if len(asked) != perBackend {
		w.Errorf("%d samplers have asked the shop, want %d", len(asked), perBackend)
	}
	var gaps []gap
	for _, times := range asked {
		slices.SortFunc(times, time.Time.Compare)
		for i := range times[1:] {
			if times[i+1].Sub(times[i]) > 3*time.Second {
				gaps = append(gaps, gap{times[i], times[i+1]})
			}
		}
	}
	return gaps
}

// agrees holds what samplers saw against the gaps in the log: each began after the last
// request that was answered, and with the next one, and ended with the first that was
// answered again. Samplers and gaps are matched by their ends.
func (w world) agrees(saw map[sampler]stretch, gaps []gap, want int) {
	w.Helper()
	if len(gaps) != want {
		w.Fatalf("the log has %d gaps, want %d: %v", len(gaps), want, gaps)
	}
	var all []stretch
	for _, s := range saw {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b stretch) int { return a.to.Compare(b.to) })
	slices.SortFunc(gaps, func(a, b gap) int { return a.next.Compare(b.next) })
	for i, s := range all {
		w.between("by the log, errors began", s.from, gaps[i].last.Add(-late), gaps[i].last.Add(time.Second+late))
		w.between("by the log, errors ended", s.to, gaps[i].next.Add(-time.Second), gaps[i].next.Add(time.Second))
	}
}
