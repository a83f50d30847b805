package metrics

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/server/diagnose"
	"github.com/netchecker/netchecker/server/findings"
)

// finding is one about nodes.
func finding(kind diagnose.Kind, severity diagnose.Severity, direction diagnose.Direction, nodes ...string) findings.Finding {
	f := diagnose.Finding{Kind: kind, Severity: severity, Direction: direction, Subject: diagnose.Subject{Scope: diagnose.Node}}
	if copy(f.Subject.Names[:], nodes) == 2 {
		f.Subject.Scope = diagnose.Pair
	}
	return findings.Finding{Held: diagnose.Held{Finding: f}}
}

const findingHead = `
# HELP netchecker_finding 1 for each fault that was found and lasts.
# TYPE netchecker_finding gauge
`

const leftOutHead = `
# HELP netchecker_findings_left_out Faults that were found and last, for which there is no series of netchecker_finding.
# TYPE netchecker_findings_left_out gauge
netchecker_findings_left_out `

func TestFindingsThatLastAreSeries(t *testing.T) {
	v := three()
	names := []string{"netchecker_finding", "netchecker_findings_left_out"}
	wantText(t, metricsOf(v), leftOutHead+"0\n", names...)
	v.found.lasting = []findings.Finding{
		finding(diagnose.Underlay, diagnose.Critical, diagnose.Both, "n1", "n2"),
		finding(diagnose.BlackHole, diagnose.Critical, diagnose.In, "n3"),
		finding(diagnose.BlackHole, diagnose.Critical, diagnose.Out, "n3"), // of another class, say
		finding(diagnose.Starved, diagnose.Info, diagnose.NoDirection, "n1"),
	}
	v.found.state.LeftOut = 3
	wantText(t, metricsOf(v), findingHead+`
netchecker_finding{kind="agent-starved",severity="info",subject="n1"} 1
netchecker_finding{kind="black-hole",severity="critical",subject="n3"} 1
netchecker_finding{kind="underlay",severity="critical",subject="n1 and n2"} 1
`+leftOutHead+"3\n", names...)
}

func TestTheSeriesOfFindingsAreBounded(t *testing.T) {
	v := three()
	want := findingHead
	for i := range mostFindings + 7 {
		node := fmt.Sprintf("n%03d", i)
		v.found.lasting = append(v.found.lasting, finding(diagnose.Loss, diagnose.Warning, diagnose.In, node))
		if i < mostFindings {
			want += fmt.Sprintf("netchecker_finding{kind=\"loss\",severity=\"warning\",subject=%q} 1\n", node)
		}
	}
	v.found.state.LeftOut = 2
	wantText(t, metricsOf(v), want+strings.TrimPrefix(leftOutHead, "\n")+"9\n", "netchecker_finding", "netchecker_findings_left_out")
}
