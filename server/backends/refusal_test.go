package backends

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// refusing is the record of an agent that refuses a backend for that reason.
func refusing(name, reason string) *fleet.Record {
	r := &fleet.Record{}
	r.Disruption = &report.Disruption{Refused: []report.Refusal{{Backend: name, Reason: reason}}}
	return r
}

func TestRefusalsAreTheServersAndThoseThatAgentsReportOfWhatTheyWereTold(t *testing.T) {
	sampled := []Declaration{{Backend: backend.Backend{Name: "b"}}, {Backend: backend.Backend{Name: "a"}}}
	records := []*fleet.Record{
		nil, {},
		refusing("b", "x"), refusing("a", "leads to 169.254.1.1"), refusing("a", "no file ca"), refusing("a", "no file ca"),
		refusing("invented", "x"),
	}
	got := Refusals([]Refused{{"z", "url: is bad"}}, sampled, records)
	want := []Refusal{
		{"z", "url: is bad", 0}, {"a", "no file ca", 2}, {"a", "leads to 169.254.1.1", 1}, {"b", "x", 1},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAgentsThatEachGiveAnotherReasonAreToldInFewLines(t *testing.T) {
	var records []*fleet.Record
	for i := range 1000 {
		records = append(records, refusing("a", fmt.Sprint(i)))
	}
	if got := Refusals(nil, []Declaration{{Backend: backend.Backend{Name: "a"}}}, records); len(got) != mostReasons {
		t.Errorf("%d are told, want %d", len(got), mostReasons)
	}
}
