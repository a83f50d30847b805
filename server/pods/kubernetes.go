package pods

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/fleet"
)

// agentPods selects the agents' pods, in all namespaces: those of the original
// netchecker's DaemonSets.
const agentPods = "app in (netchecker-agent,netchecker-agent-hostnet)"

// tuning is how pods are found, how long things may take and how much is asked for
// at once, apart so that tests can share a cluster, and need neither wait nor make
// thousands of pods.
type tuning struct {
	// selector is of the pods' labels.
	selector string
	// now is the clock.
	now func() time.Time
	// page is how many objects are asked for at once.
	page int64
	// request is the deadline of one request, and of a watch's first answer.
	request time.Duration
	// poll is as NewKubernetes has it.
	poll time.Duration
	// retry is the first pause after a failure. Pauses double up to poll.
	retry time.Duration
	// refused is the longest pause before what was forbidden is tried again.
	refused time.Duration
	// believe is how long nodes must have been forbidden until what was known of
	// them is forgotten: a starting API server forbids everything for a moment.
	believe time.Duration
	// rebuild is the least time between two Lists.
	rebuild time.Duration
}

func tuningFor(poll time.Duration) tuning {
	return tuning{
		selector: agentPods, now: time.Now,
		page:    500,
		request: 10 * time.Second,
		poll:    poll,
		retry:   min(time.Second, poll),
		refused: 5 * time.Minute,
		believe: 15 * time.Second,
		rebuild: 150 * time.Millisecond,
	}
}

// Kubernetes is the pods and nodes of a cluster, as its API server has them. Its
// methods may be called at once; Run is called once.
type Kubernetes struct {
	client *client
	tuning tuning

	pods     *podTable
	nodes    *nodeTable
	podFeed  *feed
	nodeFeed *feed

	list    atomic.Pointer[fleet.List]
	dirty   chan struct{} // something differs from list
	changed wait.Broadcast
}

// NewKubernetes reads the kubeconfig at that path, and asks the API server nothing
// yet. An empty path means the ServiceAccount of the pod that this process runs in.
// The time poll, which is more than 0, is between two lists where the role allows no
// watch, and between two checks that a watch is still alive.
func NewKubernetes(kubeconfig string, poll time.Duration) (*Kubernetes, error) {
	return newKubernetes(kubeconfig, tuningFor(poll))
}

func newKubernetes(kubeconfig string, t tuning) (*Kubernetes, error) {
	c, err := newClient(kubeconfig)
	if err != nil {
		return nil, err
	}
	k := &Kubernetes{client: c, tuning: t, dirty: make(chan struct{}, 1)}
	k.pods = newPodTable(t.now, k.touch)
	k.nodes = newNodeTable(k.touch)
	k.podFeed = newFeed(c.pods(t.selector), k.pods, t, k.touch)
	k.nodeFeed = newFeed(c.nodes(), k.nodes, t, k.touch)
	k.nodeFeed.forget = k.nodes.forget
	k.nodeFeed.state.without = "; without them, no agent counts as planned"
	return k, nil
}

// touch says that something differs from the List.
func (k *Kubernetes) touch() {
	select {
	case k.dirty <- struct{}{}:
	default: // publish knows already
	}
}

// Run keeps the list current until ctx ends, then returns nil. What the API
// server does or refuses never ends it.
func (k *Kubernetes) Run(ctx context.Context) error {
	defer k.client.close()
	ctx = withLogger(ctx)
	var parts sync.WaitGroup
	parts.Go(func() { k.podFeed.run(ctx) })
	parts.Go(func() { k.nodeFeed.run(ctx) })
	parts.Go(func() { k.publish(ctx) })
	parts.Wait()
	return nil
}

// publish makes a new List of what has changed: of a first change at once, of a
// burst of changes a few times a second.
func (k *Kubernetes) publish(ctx context.Context) {
	for k.differs(ctx) {
		k.rebuild()
		if !wait.For(ctx, k.tuning.rebuild) {
			return
		}
	}
}

// differs waits until something differs from the List, by a change or by time
// alone, as one of those who left is to be forgotten; false if ctx ended first.
func (k *Kubernetes) differs(ctx context.Context) bool {
	var forget <-chan time.Time
	if at := forgetAt(k.latest().Left); !at.IsZero() {
		timer := time.NewTimer(at.Sub(k.tuning.now()))
		defer timer.Stop()
		forget = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-k.dirty:
	case <-forget:
	}
	return true
}

// rebuild makes the List that follows the latest.
func (k *Kubernetes) rebuild() {
	agents, read := k.pods.agents()
	if !read {
		return
	}
	now, before := k.tuning.now(), k.latest()
	change := changeOf(before.Agents, agents)
	k.list.Store(&fleet.List{
		Agents: agents,
		Nodes:  k.nodes.nodes(agents, change.nodes, now),
		Left:   left(before.Left, change, now),
		Source: source(k.podFeed.state.currentMode()),
	})
	k.changed.Send()
}

// latest is the List, or an empty one while there is none.
func (k *Kubernetes) latest() *fleet.List { return cmp.Or(k.list.Load(), &fleet.List{}) }

func source(m Mode) string {
	if m == Undecided {
		return "Kubernetes API"
	}
	return fmt.Sprintf("Kubernetes API (%s)", m)
}

// List is who should be reporting; nil until the pods were read once.
func (k *Kubernetes) List() *fleet.List { return k.list.Load() }

// AsOf is the latest moment at which the list is known to have been current; the
// zero time if it never was. It never goes back.
func (k *Kubernetes) AsOf() time.Time { return k.podFeed.state.asOf() }

// Changed is closed as the next List is there. Whoever takes it before they read the
// List misses none.
func (k *Kubernetes) Changed() <-chan struct{} { return k.changed.Next() }

// Check returns nil once the pods were read, and until then the reason why not.
func (k *Kubernetes) Check(context.Context) error {
	if k.List() != nil {
		return nil
	}
	if _, err := k.podFeed.state.get(); err != nil {
		return fmt.Errorf("the pod list was never read: %w", err)
	}
	return errors.New("the pod list was not read yet")
}
