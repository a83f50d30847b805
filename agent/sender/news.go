package sender

import (
	"fmt"

	"github.com/netchecker/netchecker/pkg/report"
)

// Subscriber makes use of what servers have to tell of one topic. Its methods are
// called by many goroutines at once.
type Subscriber interface {
	// Version is that of the news it has; empty for none.
	Version() string
	// Take gets news. It should not wait.
	Take(report.News)
}

// Subscribers are those of an agent, by topic. What is told of other topics is
// nobody's.
type Subscribers map[string]Subscriber

// understands is what a report says of them; nil where there are none.
func (s Subscribers) understands() map[string]string {
	if len(s) == 0 {
		return nil
	}
	versions := make(map[string]string, len(s))
	for topic, subscriber := range s {
		versions[topic] = subscriber.Version()
	}
	return versions
}

// take gives each the news of its topic. Where the reply can't be read nobody gets
// anything.
func (s Subscribers) take(body []byte) error {
	reply, err := report.DecodeReply(body)
	if err != nil {
		return fmt.Errorf("reading the reply: %w", err)
	}
	for _, news := range reply.News {
		if subscriber, ok := s[news.Topic]; ok {
			subscriber.Take(news)
		}
	}
	return nil
}
