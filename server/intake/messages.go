package intake

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/server/fleet"
)

// Kind is a kind of messages that agents send beside their reports. Its messages are
// numbered things: each has to be kept once, however often it arrives.
type Kind struct {
	// Name is the last part of the path that they are posted to: a DNS-1123 label.
	Name string
	// Full says why no message of the kind can be taken now, before anything of one is read; nil
	// where one can, as far as is known by then. It may be nil for a kind that has no such bound.
	Full func() error
	// Keep returns once the message is durable, and keeps the first copy of it; or it
	// returns a *report.FieldError, an error of its own, or the store's.
	Keep func(context.Context, Sent) error
}

// Sent is a message that was taken in, and whose it is.
type Sent struct {
	// From is the pod that the list knows by that name, also one that left it lately.
	From fleet.Agent
	report.Message
	// Booted is what this server's wall clock showed when the agent's clock showed
	// zero, so far as the message's way here took no time: the times in the body are
	// to be added to it.
	Booted time.Time
}

// Key is what the message is known by, however often it is sent:
// <namespace>/<pod>/<boot id>/<number>.
func (s *Sent) Key() string {
	return s.From.Key.String() + "/" + s.BootID + "/" + strconv.FormatUint(s.Number, 10)
}

// UnknownKindError says that there are no messages of that kind.
type UnknownKindError struct{ Kind string }

func (e *UnknownKindError) Error() string {
	return fmt.Sprintf("there are no messages of the kind %.64q", e.Kind)
}

// NotListedError says that a message is of a pod that the list does not know. It
// should be sent again: the list may only be late.
type NotListedError struct{ Pod string }

func (e *NotListedError) Error() string {
	return fmt.Sprintf("podname: %q is not in the list of agent pods; the message is taken once the list knows the pod", e.Pod)
}

// AcceptMessage takes the message of that kind, which was sent for the pod of that name,
// and has it kept. read returns its body, which is not kept; it is not called where no such
// message is taken. The error is an *UnknownKindError, read's, a *report.FieldError, a
// *fleet.AmbiguousError, a *NotListedError, the kind's, or the store's, after which nobody
// knows whether the message is stored.
func (in *Intake) AcceptMessage(ctx context.Context, pod, kind string, read func() ([]byte, error)) error {
	i := slices.IndexFunc(in.kinds, func(k Kind) bool { return k.Name == kind })
	if i < 0 {
		return &UnknownKindError{Kind: kind}
	}
	if full := in.kinds[i].Full; full != nil {
		if err := full(); err != nil {
			return err
		}
	}
	body, err := read()
	if err != nil {
		return err
	}
	m, err := report.DecodeMessage(body)
	if err != nil {
		return err
	}
	if err := m.Validate(); err != nil {
		return err
	}
	if err := samePod(m.PodName, pod); err != nil {
		return err
	}
	from, err := sender(in.pods.List(), &m)
	if err != nil {
		return err
	}
	return in.kinds[i].Keep(ctx, Sent{From: *from, Message: m, Booted: booted(in.now(), m.Clock)})
}

// sender is the pod that sent m, which may be one that ends.
func sender(list *fleet.List, m *report.Message) (*fleet.Agent, error) {
	who := report.Report{PodName: m.PodName, NodeName: m.NodeName, Namespace: m.Namespace, UID: m.UID}
	agent, err := list.Identify(&who)
	if agent != nil || err != nil {
		return agent, err
	}
	if list != nil {
		for i := range list.Left {
			l := &list.Left[i].Agent
			if l.Name == m.PodName && (m.Namespace == "" || m.Namespace == l.Namespace) && l.CouldBe(m.UID) {
				return l, nil
			}
		}
	}
	return nil, &NotListedError{Pod: m.PodName}
}
