package api

import (
	"fmt"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/intervals"
)

// likeOpenShift is the shape of the backend-disruption.json of OpenShift's test runs,
// so that what reads those reads ours.
type likeOpenShift struct {
	BackendDisruptions map[string]*openShiftDisruption
}

type openShiftDisruption struct {
	Name, BackendName, ConnectionType string
	// DisruptedDuration is as time.Duration writes it.
	DisruptedDuration  string
	DisruptionMessages []string
}

// errorsToTell is how many intervals are told one by one, the oldest of the stretch.
const errorsToTell = maxLimit

func (s *server) likeOpenShift(from, to time.Time) likeOpenShift {
	all := likeOpenShift{map[string]*openShiftDisruption{}}
	for _, sum := range s.History.SumsOfAllNetworks(from, to) {
		name := openShiftName(sum.Key)
		all.BackendDisruptions[name] = &openShiftDisruption{
			Name: name, BackendName: sum.Backend, ConnectionType: connectionType(sum.Connection),
			DisruptedDuration: sum.Disrupted.Round(time.Millisecond).String(), DisruptionMessages: []string{},
		}
	}
	// Without an After there is no error.
	page, _ := s.History.Page(intervals.Query{From: from, To: to, Levels: []report.Level{report.Error}, Limit: errorsToTell})
	for i := range page.Items {
		one := &page.Items[i]
		if d := all.BackendDisruptions[openShiftName(one.Key())]; d != nil {
			d.DisruptionMessages = append(d.DisruptionMessages, openShiftLine(one))
		}
	}
	return all
}

func openShiftName(k intervals.Key) string {
	return k.Backend + "-" + string(k.Connection) + "-connections"
}

func connectionType(c report.Connection) string {
	if c == report.New {
		return "New"
	}
	return "Reused"
}

// openShiftLine is an interval as OpenShift's monitor writes one.
func openShiftLine(i *intervals.Interval) string {
	return fmt.Sprintf("%s - %-5s E %s %s", i.From.UTC().Format("Jan 02 15:04:05.000"), i.To.Sub(i.From).Round(time.Millisecond), i.Locator(), i.Message)
}
