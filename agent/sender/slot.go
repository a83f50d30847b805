package sender

import (
	"context"
	"sync"
)

// slot holds the newest report that was not sent yet, or none.
type slot struct {
	mu     sync.Mutex
	body   []byte
	filled chan struct{} // holds a token after a put
}

func (s *slot) put(body []byte) {
	s.mu.Lock()
	s.body = body
	s.mu.Unlock()
	select {
	case s.filled <- struct{}{}:
	default:
	}
}

// giveBack puts back what was taken, unless something newer has come.
func (s *slot) giveBack(body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body == nil {
		s.body = body
	}
}

// take returns nil where there is nothing.
func (s *slot) take() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	body := s.body
	s.body = nil
	return body
}

// wait returns after a put, or false when ctx ends.
func (s *slot) wait(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-s.filled:
		return true
	}
}
