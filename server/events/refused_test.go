package events

import (
	"slices"
	"testing"

	"github.com/netchecker/netchecker/server/backends"
)

func TestABackendIsToldToBeRefusedOnceForEachReason(t *testing.T) {
	refused := func(reason string, agents int) []backends.Refusal {
		return []backends.Refusal{{Name: "shop", Reason: reason, Agents: agents}, {Name: "shop", Reason: "another"}}
	}
	before := map[string]refusal{}
	for _, step := range []struct {
		second  float64
		refused []backends.Refusal
		want    []string
	}{
		{0, nil, nil},
		{1, refused("102 agents would ask it", 0), []string{"BackendRefused: shop is not sampled: 102 agents would ask it"}},
		{2, refused("103 agents would ask it", 0), nil},
		{3, refused("url: is bad", 0), nil},
		{601, refused("url: is bad", 3), []string{"BackendRefused: shop is not sampled by 3 agents: url: is bad"}},
		{602, nil, nil},
		{700, refused("url: is bad", 0), nil},
		{1300, nil, nil},
		{1301, refused("url: is bad", 0), []string{"BackendRefused: shop is not sampled: url: is bad"}},
	} {
		events, after, _ := decideRefused(step.refused, before, at(step.second), 10)
		if got := notes(events); !slices.Equal(got, step.want) {
			t.Errorf("at %v: got %q, want %q", step.second, got, step.want)
		}
		before = after
	}
}

func TestRefusalsWithoutRoomAreToldTheNextTime(t *testing.T) {
	list := []backends.Refusal{{Name: "a", Reason: "x"}, {Name: "b", Reason: "x"}}
	first, after, _ := decideRefused(list, nil, at(0), 1)
	second, after, _ := decideRefused(list, after, at(1), 1)
	third, _, _ := decideRefused(list, after, at(2), 1)
	if len(first) != 1 || len(second) != 1 || len(third) != 0 || first[0].ID == second[0].ID {
		t.Errorf("told are %q, %q and %q", notes(first), notes(second), notes(third))
	}
}
