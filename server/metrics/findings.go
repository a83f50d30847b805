package metrics

import (
	"cmp"
	"maps"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/findings"
)

// Findings has what is found broken.
type Findings interface {
	// Lasting are those that last, the most severe first.
	Lasting() []findings.Finding
	State() findings.State
}

// mostFindings bounds the series of findings.
const mostFindings = 100

// findingSeries are the labels of one.
type findingSeries struct {
	kind     diagnose.Kind
	severity diagnose.Severity
	subject  string
}

func (s findingSeries) compare(o findingSeries) int {
	return cmp.Or(cmp.Compare(s.kind, o.kind), cmp.Compare(s.severity, o.severity), cmp.Compare(s.subject, o.subject))
}

// findingFamilies have a series for each that lasts, the most severe before others, and how
// many there was no room for.
func findingFamilies(f Findings) []*dto.MetricFamily {
	shown, leftOut := map[findingSeries]bool{}, f.State().LeftOut
	for _, one := range f.Lasting() {
		s := findingSeries{one.Kind, one.Severity, one.Subject.String()}
		switch {
		case shown[s]: // they differ in what is no label
		case len(shown) == mostFindings:
			leftOut++
		default:
			shown[s] = true
		}
	}
	found := newFamily("netchecker_finding", "1 for each fault that was found and lasts.", dto.MetricType_GAUGE, len(shown))
	for _, s := range slices.SortedFunc(maps.Keys(shown), findingSeries.compare) {
		found.gauge([]*dto.LabelPair{
			{Name: proto.String("kind"), Value: proto.String(string(s.kind))},
			{Name: proto.String("severity"), Value: proto.String(string(s.severity))},
			{Name: proto.String("subject"), Value: proto.String(s.subject)},
		}, 1)
	}
	left := newFamily("netchecker_findings_left_out", "Faults that were found and last, for which there is no series of netchecker_finding.", dto.MetricType_GAUGE, 1)
	left.gauge(nil, float64(leftOut))
	return []*dto.MetricFamily{found.done(), left.done()}
}
