package serve

import (
	"net/http"
	"sync/atomic"
)

// keepAliveLimit counts the connections that are open. Each costs about 17 KB while it
// waits for its next request, so that the ten thousand clients of a large cluster
// would take more memory by waiting than by all that they have to say.
type keepAliveLimit struct {
	most int64 // 0: no limit
	open atomic.Int64
}

func (l *keepAliveLimit) note(state http.ConnState) {
	switch state {
	case http.StateNew:
		l.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		l.open.Add(-1)
	}
}

// exceeded says whether a connection should be closed after its answer.
func (l *keepAliveLimit) exceeded() bool { return l.most > 0 && l.open.Load() > l.most }
