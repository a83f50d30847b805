package serve

import (
	"net/http"
	"sync/atomic"
)

// crowd counts the connections that are open. Each costs about 17 KB while it
// waits for its next request, so that the ten thousand clients of a large cluster
// would take more memory by waiting than by all that they have to say.
type crowd struct {
	most int64 // 0: no limit
	open atomic.Int64
}

func (c *crowd) note(state http.ConnState) {
	switch state {
	case http.StateNew:
		c.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		c.open.Add(-1)
	}
}

// tooMany says whether a connection should be closed after its answer.
func (c *crowd) tooMany() bool { return c.most > 0 && c.open.Load() > c.most }
