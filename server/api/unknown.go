package api

import (
	"strconv"
	"time"

	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/judge"
)

// whyUnknown says in a line why s has no verdict.
func whyUnknown(s *judge.Snapshot) string {
	switch u := s.Unknown; u.Cause {
	case judge.StoreUnread:
		return "the reports in etcd were never read" + because(u.Trouble)
	case judge.StoreSilent:
		return "etcd has not answered for " + seconds(u.For) + because(u.Trouble)
	case judge.StoreJustBack:
		return "etcd has only just answered again"
	case judge.ListUnread:
		return "the list of agent pods was never read" + because(u.Trouble)
	case judge.NobodyExpected:
		return "no agent pod exists, so nobody can report (" + s.List.Source + ")"
	case judge.LoopStuck:
		return "the newest verdict is " + seconds(u.For) + " old, because the server's own loop stands still"
	}
	return nobodyHeard(s.Summary)
}

// nobodyHeard says why nobody is blamed although nobody was heard.
func nobodyHeard(sum evaluate.Summary) string {
	if sum.Read == 0 || sum.Read < sum.Of[evaluate.Reporting] {
		return "no agent was heard since the server began to listen, and it is too early to blame any"
	}
	reports := strconv.Itoa(sum.Read) + " reports are"
	if sum.Read == 1 {
		reports = "1 report is"
	}
	return "nobody was heard since the start; " + reports +
		" known from before it, and within two report intervals it will be known who still reports"
}

func because(trouble string) string {
	if trouble == "" {
		return ""
	}
	return ": " + trouble
}

func seconds(d time.Duration) string { return d.Truncate(time.Second).String() }
