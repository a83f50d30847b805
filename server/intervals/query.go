package intervals

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// Query says which intervals are wanted.
type Query struct {
	// From and To: those that touch [From, To).
	From, To time.Time
	// Levels are those wanted; none: all.
	Levels []report.Level
	// Where has parts of locators, such as node/node-2, all of which must be there.
	Where Where
	// Limit is how many are wanted at most.
	Limit int
	// After is a page's Next.
	After string
}

// Page is some of what was asked for.
type Page struct {
	// Items are by their beginning, the newest last.
	Items []Interval
	// Next is the After of the next page; empty: there is none.
	Next string
}

// Where is a part of a locator for each of its keys; empty: any.
type Where struct{ Backend, Connection, Network, Node, Pod string }

// ParseWhere reads parts of a locator, with spaces between them. The error says what
// they should be.
func ParseWhere(text string) (Where, error) {
	var w Where
	for _, part := range strings.Fields(text) {
		key, value, _ := strings.Cut(part, "/")
		field := map[string]*string{
			"disruption": &w.Backend, "connection": &w.Connection, "network": &w.Network, "node": &w.Node, "pod": &w.Pod,
		}[key]
		if field == nil || value == "" || *field != "" {
			return Where{}, fmt.Errorf("has %.70q; it should have parts of a locator, each once, such as disruption/kube-api connection/new network/pod node/node-2 pod/netchecker-agent-x4k2p", part)
		}
		*field = value
	}
	return w, nil
}

func (w *Where) fits(i *Interval) bool {
	fits := func(want, is string) bool { return want == "" || want == is }
	return fits(w.Backend, i.Backend) && fits(w.Connection, string(i.Connection)) && fits(w.Network, string(i.Network)) &&
		fits(w.Node, i.Node) && fits(w.Pod, i.Pod.Name)
}

func (q *Query) fits(i *Interval) bool {
	return i.touches(q.From, q.To) && (len(q.Levels) == 0 || slices.Contains(q.Levels, i.Level)) && q.Where.fits(i)
}

// Page answers q. The error says what is wrong with After.
func (h *History) Page(q Query) (Page, error) {
	var after *Interval
	if q.After != "" {
		place, err := placeOf(q.After)
		if err != nil {
			return Page{}, err
		}
		after = &place
	}
	var p Page
	for i := range h.timeline(h.now()).all() {
		if !i.From.Before(q.To) {
			break
		}
		if after != nil && i.compare(after) <= 0 || !q.fits(i) {
			continue
		}
		if len(p.Items) == q.Limit {
			p.Next = place(&p.Items[len(p.Items)-1])
			break
		}
		p.Items = append(p.Items, *i)
	}
	return p, nil
}

// place says where in the order of intervals i stands.
func place(i *Interval) string {
	text := strings.Join([]string{
		strconv.FormatInt(i.From.UnixNano(), 10), i.Pod.Namespace, i.Pod.Name,
		i.Backend, string(i.Connection), string(i.Network), string(i.Level),
	}, " ")
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// placeOf reads what place wrote, as an interval that stands there.
func placeOf(text string) (Interval, error) {
	wrong := errors.New("is not what it should be: the continue of an earlier answer")
	data, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.Split(string(data), " ")
	if err != nil || len(parts) != 7 {
		return Interval{}, wrong
	}
	nanos, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return Interval{}, wrong
	}
	return Interval{
		From: time.Unix(0, nanos), Pod: fleet.Key{Namespace: parts[1], Name: parts[2]},
		Backend: parts[3], Connection: report.Connection(parts[4]), Network: report.Network(parts[5]), Level: report.Level(parts[6]),
	}, nil
}
