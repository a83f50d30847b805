package diagnose

import "slices"

// Resume has what another State found go on where time alone shows it, rather than what
// agents told last: that packets are lost, until as much speaks against it as it takes to
// end a loss; that an agent starves, until it tells more; and since when something fails
// that all share. It should be called after the first Observe.
func (s *State) Resume(findings []Finding) {
	for i := range findings {
		switch f := &findings[i]; {
		case f.Kind == Loss:
			s.resumeLoss(f)
		case f.Subject.Scope != Node || s.byName[f.Subject.Names[0]] == nil:
		case f.Kind == Starved:
			s.resumeStarving(f)
		case f.Kind.shares():
			s.resumeFailing(f)
		}
	}
}

// sharp is the rate from which on a loss goes on by the test for more.
const sharp = 2 * mostBackground

func (s *State) resumeLoss(f *Finding) {
	layer, classes := linkSum, []class{hostHost, podPod}
	switch c := class(slices.Index(classNames[:], f.Class)); {
	case f.Class == podPod.String():
		layer, classes = podSum, []class{podPod}
	case f.Class != "" && c < between:
		layer, classes = classSum+int(c), []class{c}
	case f.Class != "":
		return
	}
	if len(f.For) == 0 || f.For[0].Bad == 0 {
		return
	}
	test := one
	if f.Loss >= sharp {
		test = five
	}
	sums := s.lossyOf(f)
	shares := float64(len(sums) * len(classes))
	for _, l := range sums {
		*l = lossy{active: true, layer: uint8(layer) + 1, told: f.Since}
		l.seen[test].active, l.seen[test].since = true, f.Since
		l.alarmed[layer], l.test[layer], l.sums[layer][test] = true, uint8(test), alarm
		for _, c := range classes {
			l.seen[test].classes[c] = samples{lost: float64(f.For[0].Bad) / shares, all: float64(f.For[0].All) / shares}
		}
	}
}

// lossyOf are the sums of a finding's place and directions; none where there is no such
// place.
func (s *State) lossyOf(f *Finding) (all []*lossy) {
	first, second := f.Subject.Names[0], f.Subject.Names[1]
	inward, outward := f.Direction == In || f.Direction == Both, f.Direction != In
	switch f.Subject.Scope {
	case Cluster:
		return []*lossy{&s.sums.cluster.from}
	case Node:
		n := s.byName[first]
		if n == nil {
			return nil
		}
		s.sums.active[n] = true
		if inward {
			all = append(all, n.losing(in))
		}
		if outward {
			all = append(all, n.losing(out))
		}
	case Pair:
		a, b := s.byName[first], s.byName[second]
		if a == nil || b == nil {
			return nil
		}
		if inward {
			all = append(all, s.pairSum(pairOf{b, a}))
		}
		if outward {
			all = append(all, s.pairSum(pairOf{a, b}))
		}
	case ZonePair:
		a, b := slices.Index(s.zones, first), slices.Index(s.zones, second)
		if a < 0 || b < 0 || max(a, b) >= mostZones {
			return nil
		}
		if inward {
			all = append(all, s.zoneSum(zonesOf{b, a}))
		}
		if outward {
			all = append(all, s.zoneSum(zonesOf{a, b}))
		}
	}
	return all
}

// pairSum is the sum of a pair, made where there is none.
func (s *State) pairSum(key pairOf) *lossy {
	l := s.sums.pairs[key]
	if l == nil {
		l = &lossy{}
		s.sums.pairs[key] = l
		key.from.pairs++
		key.to.pairs++
	}
	return l
}

func (s *State) zoneSum(key zonesOf) *lossy {
	z := s.sums.zones[key]
	if z == nil {
		z = &zonal{}
		s.sums.zones[key] = z
	}
	return &z.from
}

func (s *State) resumeStarving(f *Finding) {
	for _, a := range s.byName[f.Subject.Names[0]].agents {
		if networkName(a) == f.Class {
			a.starving = f.Since
		}
	}
}

func (s *State) resumeFailing(f *Finding) {
	for _, a := range s.byName[f.Subject.Names[0]].agents {
		for of, is := range a.failing {
			if slices.Contains(asks[f.Kind], of.Kind) && f.Since.Before(is.since) {
				is.since = f.Since
				a.failing[of] = is
			}
		}
	}
}
