package disruption

// order hands samples on in the order of their begin, in whatever order they end.
type order struct {
	begun, next uint64 // numbers, of those begun and of the one to be handed on next
	ended       map[uint64]*Sample
}

// begin returns the number of the sample that begins.
func (o *order) begin() uint64 {
	n := o.begun
	o.begun++
	return n
}

// waiting is how many have begun and were not handed on yet.
func (o *order) waiting() int { return int(o.begun - o.next) }

// end takes what the sample of that number led to, nil for nothing that counts, and
// returns the samples that are to be handed on now.
func (o *order) end(n uint64, s *Sample) (ready []Sample) {
	if o.ended == nil {
		o.ended = map[uint64]*Sample{}
	}
	o.ended[n] = s
	for {
		s, there := o.ended[o.next]
		if !there {
			return ready
		}
		delete(o.ended, o.next)
		o.next++
		if s != nil {
			ready = append(ready, *s)
		}
	}
}
