package report

import (
	"bytes"
	"cmp"
)

// MaxReply bounds a reply, in bytes.
const MaxReply = 64 << 10

// Reply is what taking a report in returns to agents that understand it. Without
// news it has no bytes: the empty body of the contract.
type Reply struct {
	// News has at most one of each topic, and at most MaxTopics.
	News []News
}

// News is what there is to tell of one topic.
type News struct {
	// Topic is a DNS-1123 label.
	Topic string
	// Version tells this state of the topic from others; the agent states it in
	// its reports from then on. It has at most MaxVersion bytes.
	Version string
	// Data is any JSON value, as it was written. What it means is the topic's.
	Data []byte
}

// AppendReply appends r as the server answers it, nothing if there is no news.
// The data of its news has to be JSON.
func AppendReply(dst []byte, r *Reply) []byte {
	if len(r.News) == 0 {
		return dst
	}
	fields := r.fields()
	return appendFields(dst, fields[:], wire)
}

// DecodeReply reads the body of an answer to a report, with the care and the
// errors of Decode: anybody could have answered. An empty body is an empty Reply.
func DecodeReply(data []byte) (Reply, error) {
	if len(data) > MaxReply {
		return Reply{}, refuse("body", "has %d bytes; it should have at most %d", len(data), MaxReply)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return Reply{}, nil
	}
	var r Reply
	fields := r.fields()
	if err := cmp.Or(decode(data, fields[:], wire), r.check()); err != nil {
		return Reply{}, err
	}
	return r, nil
}
