package serve

import "net/http"

// Answer is a ResponseWriter that remembers the status it answered with.
type Answer struct {
	http.ResponseWriter
	status int
}

// Remember returns w as an Answer. What a handler of a [Server] is given is one
// already.
func Remember(w http.ResponseWriter) *Answer {
	if a, ok := w.(*Answer); ok {
		return a
	}
	return &Answer{ResponseWriter: w}
}

// Status is the answer's, or 0 where none has begun. A handler that returns without
// one has answered 200.
func (a *Answer) Status() int { return a.status }

func (a *Answer) begin(status int) {
	if a.status == 0 && status >= http.StatusOK { // 1xx come before the answer
		a.status = status
	}
}

// WriteHeader implements http.ResponseWriter.
func (a *Answer) WriteHeader(status int) {
	a.begin(status)
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *Answer) Write(p []byte) (int, error) {
	a.begin(http.StatusOK)
	return a.ResponseWriter.Write(p)
}

// Flush is for those who look for an http.Flusher.
func (a *Answer) Flush() {
	a.begin(http.StatusOK)
	// As with http.Flusher itself, there is no place for the error.
	_ = http.NewResponseController(a.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (a *Answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
