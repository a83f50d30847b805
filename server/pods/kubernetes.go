package pods

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netchecker/netchecker/server/fleet"
)

// DefaultApps are the values of the label app by which the agents' pods are
// found, in all namespaces: those of the original netchecker's DaemonSets.
var DefaultApps = []string{"netchecker-agent", "netchecker-agent-hostnet"}

// DefaultPollInterval is the one of the original server's -check-interval.
const DefaultPollInterval = 10 * time.Second

// KubernetesConfig says where the API server is and what to ask it for.
type KubernetesConfig struct {
	// Kubeconfig is a file's path. Empty means the ServiceAccount of the pod that
	// this process runs in.
	Kubeconfig string
	// Apps are the values of the pods' label app; none means DefaultApps.
	Apps []string
	// PollInterval is the time between two lists where the role allows no watch,
	// and between two checks that a watch is still alive; 0 means
	// DefaultPollInterval.
	PollInterval time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// tuning is how long things may take and how much is asked for at once, apart so
// that tests need neither wait nor make thousands of pods.
type tuning struct {
	// page is how many objects are asked for at once.
	page int64
	// request is the deadline of one request, and of a watch's first answer.
	request time.Duration
	// poll is the config's PollInterval.
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
	now    func() time.Time
	tuning tuning

	pods     *podTable
	nodes    *nodeTable
	podFeed  *feed
	nodeFeed *feed

	list    atomic.Pointer[fleet.List]
	dirty   chan struct{} // something differs from list
	changed chan struct{}
}

// NewKubernetes reads the configuration, and asks the API server nothing yet.
func NewKubernetes(cfg KubernetesConfig) (*Kubernetes, error) {
	if cfg.PollInterval < 0 {
		return nil, fmt.Errorf("the interval of polling for pods is %v; it should be more than 0", cfg.PollInterval)
	}
	if cfg.PollInterval == 0 {
		cfg.PollInterval = DefaultPollInterval
	}
	return newKubernetes(cfg, tuningFor(cfg.PollInterval))
}

func newKubernetes(cfg KubernetesConfig, t tuning) (*Kubernetes, error) {
	if len(cfg.Apps) == 0 {
		cfg.Apps = DefaultApps
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	selector, err := appSelector(cfg.Apps)
	if err != nil {
		return nil, err
	}
	c, err := newClient(cfg.Kubeconfig)
	if err != nil {
		return nil, err
	}
	k := &Kubernetes{
		client:  c,
		now:     cfg.Now,
		tuning:  t,
		dirty:   make(chan struct{}, 1),
		changed: make(chan struct{}, 1),
	}
	k.pods = newPodTable(cfg.Now, k.touch)
	k.nodes = newNodeTable(k.touch)
	k.podFeed = newFeed(c.pods(selector), k.pods, cfg.Now, t, k.touch)
	k.nodeFeed = newFeed(c.nodes(), k.nodes, cfg.Now, t, k.touch)
	k.nodeFeed.forget = k.nodes.forget
	k.nodeFeed.state.without = "; without them, no agent counts as planned"
	return k, nil
}

func (k *Kubernetes) touch() { signal(k.dirty) }

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
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.dirty:
		}
		k.rebuild()
		if !pause(ctx, k.tuning.rebuild) {
			return
		}
	}
}

func (k *Kubernetes) rebuild() {
	agents, read := k.pods.agents()
	if !read {
		return
	}
	k.list.Store(&fleet.List{
		Agents: agents,
		Nodes:  goings(k.nodes.marks(agents), nodesOf(k.list.Load()), k.now()),
		Source: source(k.podFeed.state.currentMode()),
	})
	signal(k.changed)
}

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

// Changed has a message when there is a List that nobody was told of.
func (k *Kubernetes) Changed() <-chan struct{} { return k.changed }

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

// Status is how the pods are read, and whether nodes can be.
func (k *Kubernetes) Status() Status {
	mode, err := k.podFeed.state.get()
	_, nodesErr := k.nodeFeed.state.get()
	return Status{Mode: mode, Err: err, Nodes: k.nodes.readable(), NodesErr: nodesErr}
}
