package intake

import (
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// Topic is something that agents are told in replies to their reports, if they say
// that they understand it. What it tells an agent must come from the list of pods,
// from declarations of people who may make them, or from the servers themselves;
// never from what agents say, who could aim each other at an address otherwise.
type Topic struct {
	// Name is a DNS-1123 label.
	Name string
	// News is what that agent should know, which has the news of version has: any JSON
	// value, and the version that tells it from others. It is called for each report, so
	// it should only look it up. An empty version, or has itself, stands for: nothing.
	News func(agent *fleet.Agent, has string) (version string, data []byte)
}

// perNews is more than what the wire adds to a topic, a version and its data.
const perNews = 64

// reply is what to say to agent, which understands the topics with the versions that
// it has: nil where there is nothing new. What does not fit has to wait for the next
// report.
func (in *Intake) reply(agent *fleet.Agent, understands map[string]string) []byte {
	if agent == nil || len(understands) == 0 {
		return nil
	}
	var reply report.Reply
	size := perNews
	for _, t := range in.topics {
		has, understood := understands[t.Name]
		if !understood {
			continue
		}
		version, data := t.News(agent, has)
		more := len(t.Name) + len(version) + len(data) + perNews
		if version == "" || version == has || size+more > report.MaxReply {
			continue
		}
		size += more
		reply.News = append(reply.News, report.News{Topic: t.Name, Version: version, Data: data})
	}
	return report.AppendReply(nil, &reply)
}
