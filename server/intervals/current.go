package intervals

import "github.com/netchecker/netchecker/pkg/report"

// Current is what those who are heard say of now.
type Current struct {
	// Up has the share of samplers whose newest sample was good, of each key that is
	// sampled; those who could not ask are left out.
	Up map[Key]float64
	// Lost is how many intervals the agents lost because nobody took them in.
	Lost uint64
}

// Current returns what is known of now.
func (h *History) Current() Current {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := Current{Up: map[Key]float64{}}
	samplers := map[Key]float64{}
	for _, lives := range h.pods {
		one := lives[len(lives)-1]
		last, closed := one.newest()
		if last == nil || closed {
			continue
		}
		c.Lost += last.Dropped
		for i := range last.Open {
			open := &last.Open[i]
			if open.Level == report.Warning || one.over[open.ID] {
				continue
			}
			k := Key{open.Backend, open.Connection, last.network}
			samplers[k]++
			if open.Level == report.Info {
				c.Up[k]++
			}
		}
	}
	for k, n := range samplers {
		c.Up[k] /= n
	}
	return c
}
