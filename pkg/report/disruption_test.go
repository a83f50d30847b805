package report_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
)

func fullDisruption() report.Disruption {
	return report.Disruption{
		AsOf: 90 * time.Second,
		Open: []report.Interval{
			{ID: 3, Backend: "kube-api", Connection: report.New, Level: report.Error, Message: "connection refused", From: 80 * time.Second},
			{ID: 4, Backend: "kube-api", Connection: report.Reused, Level: report.Error, Message: "flapping", From: 20 * time.Second, Changes: 12, Failed: 7 * time.Second},
		},
		Sealed: []report.Interval{
			{ID: 1, Backend: "kube-api", Connection: report.New, Level: report.Info, To: 60 * time.Second},
			{ID: 2, Backend: "kube-api", Connection: report.New, Level: report.Warning, Message: "looking it up: no answer", From: 60 * time.Second, To: 80 * time.Second},
		},
		Refused: []report.Refusal{{Backend: "metadata", Reason: "it leads to 169.254.169.254"}},
		Dropped: 5,
	}
}

func TestDisruptionIsReadBackAsItWasWritten(t *testing.T) {
	full := fullDisruption()
	const sealed = `"sealed":[{"id":1,"backend":"kube-api","connection":"new","level":"Info","from_ms":0,"to_ms":60000},` +
		`{"id":2,"backend":"kube-api","connection":"new","level":"Warning","message":"looking it up: no answer","from_ms":60000,"to_ms":80000}],"refused"`
	want := strings.TrimPrefix(strings.Replace(disruption, `"refused"`, sealed, 1), `"disruption":`)
	written := report.AppendDisruption(nil, &full)
	if string(written) != want {
		t.Errorf("got  %s\nwant %s", written, want)
	}
	if back, err := report.DecodeDisruption(written); err != nil || !reflect.DeepEqual(back, full) {
		t.Errorf("read %#v, %v\nwant %#v", back, err, full)
	}
}

func TestTheLargestMessageOfIntervalsFitsIntoABody(t *testing.T) {
	d := report.Disruption{AsOf: 24 * time.Hour}
	for i := range report.MaxBackends * 2 {
		d.Open = append(d.Open, report.Interval{ID: uint64(1e6 + i), Backend: strings.Repeat("b", 20), Connection: report.Reused, Level: report.Error,
			Message: strings.Repeat("m", 80), From: 23 * time.Hour})
	}
	if size := len(report.AppendDisruption(nil, &d)); size > report.MaxBody/2 {
		t.Errorf("what is open of %d backends takes %d bytes, want room for as much that is sealed in %d", report.MaxBackends, size, report.MaxBody)
	}
}

func TestADisruptionThatMakesNoSenseIsRefusedByField(t *testing.T) {
	const label = `; it should be a DNS-1123 label: at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit`
	for want, change := range map[string]func(*report.Disruption){
		`open: has too many elements; it should have at most 64`:                     func(d *report.Disruption) { d.Open = make([]report.Interval, 65) },
		`sealed: has too many elements; it should have at most 64`:                   func(d *report.Disruption) { d.Sealed = make([]report.Interval, 65) },
		`refused: has too many elements; it should have at most 16`:                  func(d *report.Disruption) { d.Refused = make([]report.Refusal, 17) },
		`open[1].id: is missing; it should be the interval's number, from 1`:         func(d *report.Disruption) { d.Open[1].ID = 0 },
		`open[0].backend: is "a.b"` + label:                                          func(d *report.Disruption) { d.Open[0].Backend = "a.b" },
		`sealed[0].connection: is "old"; it should be "new" or "reused"`:             func(d *report.Disruption) { d.Sealed[0].Connection = "old" },
		`sealed[1].level: is "error"; it should be "Info", "Warning" or "Error"`:     func(d *report.Disruption) { d.Sealed[1].Level = "error" },
		`open[0].message: has 257 bytes; it should have at most 256`:                 func(d *report.Disruption) { d.Open[0].Message = strings.Repeat("m", 257) },
		`open[0].from_ms: is 90001; it should be from 0 to as_of_ms, which is 90000`: func(d *report.Disruption) { d.Open[0].From = 90*time.Second + time.Millisecond },
		`open[0].to_ms: is 85000; it should be left out while the interval is open`:  func(d *report.Disruption) { d.Open[0].To = 85 * time.Second },
		`sealed[1].to_ms: is 59000; it should be from from_ms to as_of_ms, which are 60000 and 90000`: func(d *report.Disruption) {
			d.Sealed[1].To = 59 * time.Second
		},
		`open[1].failed_ms: is 70001; it should be from 0 to the interval's length, which is 70000`: func(d *report.Disruption) {
			d.Open[1].Failed = 70*time.Second + time.Millisecond
		},
		`refused[0].backend: is ""` + label:                            func(d *report.Disruption) { d.Refused[0].Backend = "" },
		`refused[0].reason: has 257 bytes; it should have at most 256`: func(d *report.Disruption) { d.Refused[0].Reason = strings.Repeat("m", 257) },
	} {
		d := fullDisruption()
		change(&d)
		if _, err := report.DecodeDisruption(report.AppendDisruption(nil, &d)); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestADisruptionInAReportIsHeldAgainstTheReport(t *testing.T) {
	for want, change := range map[string]func(*report.Report){
		`<nil>`: func(*report.Report) {},
		`disruption.sealed: should be sent in a message of the kind intervals`:                  func(r *report.Report) { r.Disruption.Sealed = fullDisruption().Sealed },
		`boot_id: is missing; it should be what the agent drew as it started`:                   func(r *report.Report) { r.BootID = "" },
		`disruption.as_of_ms: is 90006; it should be at most clock_ms, which is 90005`:          func(r *report.Report) { r.Disruption.AsOf = r.Clock + time.Millisecond },
		`disruption.open[0].from_ms: is 90001; it should be from 0 to as_of_ms, which is 90000`: func(r *report.Report) { r.Disruption.Open[0].From = 90*time.Second + time.Millisecond },
	} {
		r := tellingRecord().Report
		change(&r)
		if err := r.Validate(); fmt.Sprint(err) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
