package findings

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Query says which findings are wanted.
type Query struct {
	// From and To: those that touch [From, To), those that last among them.
	From, To time.Time
	// Limit is how many are wanted at most.
	Limit int
	// After is a Page's Next.
	After string
}

// Page is some of what was asked for.
type Page struct {
	// Items are by when they began, the newest last.
	Items []Finding
	// Next is the After of the next page; empty: there is none.
	Next string
}

// Page answers q. The error says what is wrong with After.
func (k *Kept) Page(q Query) (Page, error) {
	var after place
	if q.After != "" {
		var err error
		if after, err = placeOf(q.After); err != nil {
			return Page{}, err
		}
	}
	all := slices.DeleteFunc(k.All(), func(f *Finding) bool { return !f.touches(q.From, q.To) || at(f).compare(after) <= 0 })
	slices.SortFunc(all, func(a, b *Finding) int { return at(a).compare(at(b)) })
	var p Page
	if len(all) > q.Limit {
		all = all[:q.Limit]
		p.Next = at(all[q.Limit-1]).String()
	}
	for _, f := range all {
		p.Items = append(p.Items, *f)
	}
	return p, nil
}

// start is when it began, as far as is known: before it was told first.
func (f *Finding) start() time.Time {
	if f.Since.Before(f.Began) {
		return f.Since
	}
	return f.Began
}

// touches says whether it lasted at any time of [from, to).
func (f *Finding) touches(from, to time.Time) bool {
	return f.start().Before(to) && (f.Lasts() || f.Ended.After(from))
}

// place is where a finding stands in the order of pages.
type place struct {
	nanos int64
	id    string
}

func at(f *Finding) place { return place{f.start().UnixNano(), f.ID} }

func (p place) compare(o place) int {
	switch {
	case p.nanos < o.nanos:
		return -1
	case p.nanos > o.nanos:
		return 1
	}
	return strings.Compare(p.id, o.id)
}

// String is the place as placeOf reads it.
func (p place) String() string { return strconv.FormatInt(p.nanos, 10) + "-" + p.id }

func placeOf(text string) (place, error) {
	number, id, ok := strings.Cut(text, "-")
	nanos, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !ok || id == "" {
		return place{}, errors.New("is not what it should be: the continue of an earlier answer")
	}
	return place{nanos, id}, nil
}
