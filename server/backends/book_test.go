package backends

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netchecker/netchecker/pkg/backend"
	"github.com/netchecker/netchecker/pkg/report"
	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/fleet"
	"github.com/netchecker/netchecker/test/eventually"
)

// pods is a list that the test sets.
type pods struct {
	list    atomic.Pointer[fleet.List]
	changed wait.Broadcast
}

func (p *pods) List() *fleet.List        { return p.list.Load() }
func (p *pods) Changed() <-chan struct{} { return p.changed.Next() }

// set makes a list of that many nodes, with both agents each.
func (p *pods) set(nodes int) *cluster {
	c := newCluster(7)
	c.fill(nodes, "a")
	p.list.Store(c.list())
	p.changed.Send()
	return c
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// runBook follows a file with that text until the test ends.
func runBook(t *testing.T, p *pods, text string) (b *Book, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "backends.yaml")
	write(t, path, text)
	b, err := Open(Config{Path: path, Pods: p, PerSecond: 200, Every: 10 * time.Millisecond, Settle: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	run(t, b)
	return b, path
}

func run(t *testing.T, b *Book) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}

// names are those that the agent is told; nil where it is told nothing yet.
func names(t *testing.T, b *Book, agent *fleet.Agent) []string {
	t.Helper()
	version, data := b.News(agent, "")
	if version == "" {
		return nil
	}
	list, err := backend.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for _, one := range list {
		all = append(all, one.Name)
	}
	return all
}

// tells waits until each of the agents is told these.
func tells(t *testing.T, b *Book, agents []fleet.Agent, want ...string) {
	t.Helper()
	eventually.Nil(t, func() error {
		for i := range agents {
			if got := names(t, b, &agents[i]); !slices.Equal(got, want) || got == nil {
				return fmt.Errorf("%s is told %q, want %q; refused are %q", agents[i].Name, got, want, b.Refused())
			}
		}
		return nil
	})
}

func TestAgentsAreToldWhatTheFileAndTheListSay(t *testing.T) {
	t.Parallel()
	p := &pods{}
	b, path := runBook(t, p, "backends: [{name: a, url: 'http://a'}]")
	if version, _ := b.News(&fleet.Agent{}, ""); version != "" {
		t.Error("agents are told something before the list was read")
	}
	if got := b.Sampled(); len(got) != 1 || got[0].Name != "a" {
		t.Errorf("before the list was read, %+v are sampled", got)
	}
	c := p.set(2)
	tells(t, b, c.agents, "a")
	version, _ := b.News(&c.agents[0], "")

	write(t, path, "backends: [{name: a, url: 'http://a'}, {name: b, url: 'http://b'}]")
	tells(t, b, c.agents, "a", "b")
	if other, _ := b.News(&c.agents[0], ""); other == version {
		t.Errorf("both lists have the version %s", version)
	}

	write(t, path, "backends: []")
	tells(t, b, c.agents)

	write(t, path, "backends: [{name: a, url: 'http://a'}]")
	tells(t, b, c.agents, "a")
	if again, _ := b.News(&c.agents[0], ""); again != version {
		t.Errorf("the same list has the version %s, and then %s", version, again)
	}

	stranger := fleet.Agent{Key: fleet.Key{Namespace: "default", Name: "stranger"}}
	if got := names(t, b, &stranger); got != nil {
		t.Errorf("an agent that is not in the plan is told %q", got)
	}
}

func TestABrokenFileIsToldAndWhatItSaidBeforeHolds(t *testing.T) {
	t.Parallel()
	p := &pods{}
	c := p.set(1)
	b, path := runBook(t, p, "backends: [{name: a, url: 'http://a'}]")
	tells(t, b, c.agents, "a")
	write(t, path, "backends: {}")
	want := []Refused{{path, "reading the backends from " + path + ": backends: a map; it should be a list; what it said before holds"}}
	eventually.Nil(t, func() error {
		if got := b.Refused(); !reflect.DeepEqual(got, want) {
			return fmt.Errorf("refused are %q, want %q", got, want)
		}
		return nil
	})
	tells(t, b, c.agents, "a")
	write(t, path, "backends: [{name: b, url: 'http://b'}]")
	tells(t, b, c.agents, "b")
	if got := b.Refused(); len(got) > 0 {
		t.Errorf("refused are %q", got)
	}
}

func TestWithoutAFileAgentsAreToldThatThereIsNothing(t *testing.T) {
	t.Parallel()
	p := &pods{}
	c := p.set(1)
	b, err := Open(Config{Pods: p, PerSecond: 200})
	if err != nil {
		t.Fatal(err)
	}
	run(t, b)
	tells(t, b, c.agents)
}

func TestABrokenFileIsAnErrorAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backends.yaml")
	write(t, path, "backends: {}")
	want := "reading the backends from " + path + ": backends: a map; it should be a list"
	if _, err := Open(Config{Path: path, Pods: &pods{}}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestWhatAsksTooMuchOfABackendIsRefusedAsFarAsThereAreSoManyAgents(t *testing.T) {
	t.Parallel()
	p := &pods{}
	c := p.set(50)
	b, _ := runBook(t, p, `
backends:
- {name: every, url: 'http://a', from: every-agent}
- {name: slow, url: 'http://a', from: every-agent, intervalMillis: 2000}
- {name: node, url: 'http://{nodeIP}:10256', from: every-agent}
- {name: most, url: 'http://a', agents: 101}
`)
	tells(t, b, c.agents, "every", "slow", "node", "most")
	c = p.set(51)
	tells(t, b, c.agents[:1], "slow", "node")
	const reason = "agents would ask it %d times a second, over two connections every 1s; -backend-rate-limit allows 200: it should have fewer agents, or a longer intervalMillis"
	want := []Refused{
		{"every", fmt.Sprintf("102 "+reason, 204)},
		{"most", fmt.Sprintf("101 "+reason, 202)},
	}
	if got := b.Refused(); !reflect.DeepEqual(got, want) {
		t.Errorf("refused are %q\nwant        %q", got, want)
	}
	c = p.set(50)
	tells(t, b, c.agents, "every", "slow", "node", "most")
}

func TestAPlanForTenThousandAgentsIsMadeInAMoment(t *testing.T) {
	c := newCluster(8)
	c.fill(1667, "a", "b", "c")
	list := c.list()
	var all []Declaration
	for i := range backend.Most {
		d := Declaration{Backend: backend.Backend{Name: fmt.Sprintf("b%d", i), URL: "http://a"}}
		d.complete()
		all = append(all, d)
	}
	began := time.Now()
	if _, err := newPlan(all, list, 200); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	t.Logf("16 backends, %d agents: %v", len(list.Agents), took)
	if took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A replica that has the list in the same order makes the same plan.
func TestEachServerMakesTheSamePlan(t *testing.T) {
	c := newCluster(9)
	c.fill(100, "a", "b")
	list := c.list()
	d := Declaration{Backend: backend.Backend{Name: "a", URL: "http://a", Headers: map[string]string{"A": "1", "B": "2", "C": "3"}}}
	d.complete()
	one, err := newPlan([]Declaration{d}, list, 200)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		other, err := newPlan([]Declaration{d}, list, 200)
		if err != nil || !reflect.DeepEqual(one, other) {
			t.Fatalf("the plans differ (%v)", err)
		}
	}
	if report.MaxBackends > 32 {
		t.Error("a plan has a bit for each of 32 backends")
	}
}
