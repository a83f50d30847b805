//go:build e2e

package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// shownInterval is one as /api/v1/intervals has it.
type shownInterval struct {
	Level, Locator, Message string
	From, To                time.Time
	Open                    bool
}

func (i shownInterval) String() string {
	return fmt.Sprintf("%s %s from %s to %s: %s", i.Level, i.Locator, stamp(i.From), stamp(i.To), i.Message)
}

func stamp(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// part is what the locator says of a key, as node.
func (i shownInterval) part(key string) string {
	for part := range strings.FieldsSeq(i.Locator) {
		if k, value, _ := strings.Cut(part, "/"); k == key {
			return value
		}
	}
	return ""
}

// sampler is what one agent samples over one kind of connection.
type sampler struct{ backend, connection, network, node, pod string }

func (i shownInterval) sampler() sampler {
	return sampler{i.part("disruption"), i.part("connection"), i.part("network"), i.part("node"), i.part("pod")}
}

// intervals are those since then that have the parts of a locator, on all pages. A level
// that is empty stands for all.
func (w world) intervals(door netip.AddrPort, since time.Time, level, locator string) ([]shownInterval, error) {
	query := url.Values{"from": {since.UTC().Format(time.RFC3339Nano)}, "limit": {"200"}}
	if level != "" {
		query.Set("level", level)
	}
	if locator != "" {
		query.Set("locator", locator)
	}
	var all []shownInterval
	for {
		var page struct {
			Items    []shownInterval
			Continue string
		}
		if err := w.getJSON(door, "intervals?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Continue == "" {
			return all, nil
		}
		query.Set("continue", page.Continue)
	}
}

// stretch is when a sampler saw one thing, whatever the messages.
type stretch struct {
	from, to time.Time
	open     bool
	messages []string
}

func (s stretch) String() string {
	return fmt.Sprintf("%s to %s (%s)", stamp(s.from), stamp(s.to), strings.Join(s.messages, ", "))
}

// stretches joins what each sampler saw without a pause: another error ends an interval
// and begins the next.
func stretches(list []shownInterval) map[sampler][]stretch {
	slices.SortFunc(list, func(a, b shownInterval) int { return a.From.Compare(b.From) })
	of := map[sampler][]stretch{}
	for _, i := range list {
		all := of[i.sampler()]
		if n := len(all); n > 0 && !i.From.After(all[n-1].to) {
			last := &all[n-1]
			last.to, last.open, last.messages = i.To, i.Open, append(last.messages, i.Message)
		} else {
			all = append(all, stretch{i.From, i.To, i.Open, []string{i.Message}})
		}
		of[i.sampler()] = all
	}
	return of
}

// sawOnce is what each of so many samplers saw of errors since then, one stretch each,
// which is over.
func (w world) sawOnce(door netip.AddrPort, since time.Time, locator string, samplers int) map[sampler]stretch {
	w.Helper()
	once := map[sampler]stretch{}
	w.eventually(func() error {
		clear(once)
		list, err := w.intervals(door, since, "Error", locator)
		if err != nil {
			return err
		}
		if twice := doubled(list); twice != "" {
			return fmt.Errorf("there twice is %s", twice)
		}
		for by, saw := range stretches(list) {
			if len(saw) != 1 || saw[0].open {
				return fmt.Errorf("%v saw errors from %v", by, saw)
			}
			once[by] = saw[0]
		}
		if len(once) != samplers {
			return fmt.Errorf("%d samplers saw errors of %s, want %d: %v", len(once), locator, samplers, once)
		}
		return nil
	})
	for _, by := range slices.SortedFunc(maps.Keys(once), func(a, b sampler) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) {
		w.Logf("%v saw errors from %v", by, once[by])
	}
	return once
}

// doubled is one that is there twice; empty where none is.
func doubled(list []shownInterval) string {
	seen := map[string]bool{}
	for _, i := range list {
		key := fmt.Sprint(i.Level, i.Locator, i.From.UnixMilli(), i.Message)
		if seen[key] {
			return i.String()
		}
		seen[key] = true
	}
	return ""
}

// between fails the test where a time is not in that range.
func (w world) between(what string, at, least, most time.Time) {
	w.Helper()
	if at.Before(least) || at.After(most) {
		w.Errorf("%s at %s, want from %s to %s", what, stamp(at), stamp(least), stamp(most))
	}
}
