package serve

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
)

// guard stands before the handler: it turns panics into answers, and knows how
// many requests are under way.
type guard struct {
	next      http.Handler
	keepAlive *keepAliveLimit
	panics    *throttle

	mu     sync.Mutex
	active int
	// empty is made by whoever waits for the last request, and closed by it.
	empty chan struct{}
}

func newGuard(next http.Handler, keepAlive *keepAliveLimit, panics *throttle) *guard {
	return &guard{next: next, keepAlive: keepAlive, panics: panics}
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.enter()
	defer g.leave()
	answer := Remember(w)
	defer g.recover(answer, r)
	if g.keepAlive.exceeded(r) {
		w.Header().Set("Connection", "close")
	}
	g.next.ServeHTTP(answer, r)
}

// recover answers 500 for a handler that panicked. Where the answer had begun,
// it breaks the connection instead, so that nobody takes half of it for all.
func (g *guard) recover(w *Answer, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v) // what a handler says to break the connection: not a mistake
	}
	g.panics.say(fmt.Sprintf("panic in %s %q: %v\n%s", r.Method, r.URL.Path, v, debug.Stack()))
	if w.Status() != 0 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Connection", "close")
	http.Error(w, "internal error; the server's log has the details", http.StatusInternalServerError)
}

func (g *guard) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active++
}

func (g *guard) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active--
	if g.active == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

func (g *guard) underWay() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.active
}

// idle is closed once no request is under way.
func (g *guard) idle() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.active == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if g.empty == nil {
		g.empty = make(chan struct{})
	}
	return g.empty
}
