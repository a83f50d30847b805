package api

import (
	"context"
	"time"

	"github.com/netchecker/netchecker/server/paths"
)

// tableLasts is for how long the answer to a question about paths is given again.
const tableLasts = time.Second

// tables are the answers of the last second to questions about paths. Making one is to
// look at all that agents told, which takes a good part of a second where there are
// 20,000; so they are made one at a time, and none twice within a second, however many
// ask.
type tables struct {
	// turn has room for the one who looks at made.
	turn chan struct{}
	made map[paths.Query]madeTable
}

func newTables() tables {
	return tables{turn: make(chan struct{}, 1), made: map[paths.Query]madeTable{}}
}

// madeTable is an answer, and when it was there.
type madeTable struct {
	answer
	at time.Time
}

// to is the answer to q, for which word is called where there is none. It is false where
// ctx ended before.
func (t *tables) to(ctx context.Context, q paths.Query, now func() time.Time, word func() answer) (answer, bool) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return answer{}, false
	}
	for of, made := range t.made {
		if age := now().Sub(made.at); age < 0 || age >= tableLasts {
			delete(t.made, of)
		}
	}
	if made, there := t.made[q]; there {
		return made.answer, true
	}
	a := word()
	t.made[q] = madeTable{a, now()}
	return a, true
}
