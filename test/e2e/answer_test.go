//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/netchecker/netchecker/test/eventually"
)

const nodePort = 31081

// patience is how long an answer may take to be the expected one; the slowest is
// an alert, after the TTL, two rounds of Prometheus and its own minute.
const patience = 4 * time.Minute

// answer is what the check says.
type answer struct {
	status int
	body   string
	verdict
}

type verdict struct {
	Message                             string
	Absent, Outdated, Starting, Planned []string
	PodListAgeSeconds                   *float64
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

type dial = func(ctx context.Context, network, address string) (net.Conn, error)

// ask asks the check at an address, each time by a new connection.
func ask(ctx context.Context, dial dial, at netip.AddrPort, query string) (answer, error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/api/v1/connectivity_check%s", at, query), nil)
	if err != nil {
		return answer{}, err
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, body: strings.TrimSpace(string(text))}
	if response.Header.Get("Content-Type") == "application/json" {
		err = json.Unmarshal(text, &a.verdict)
	}
	return a, err
}

// door is the NodePort on the server's own node, which takes no overlay.
func (w world) door() netip.AddrPort {
	w.Helper()
	return w.doorOf(w.serverNode())
}

func (w world) doorOf(node string) netip.AddrPort {
	w.Helper()
	n, err := w.cluster.Node(node)
	w.must(err)
	return netip.AddrPortFrom(n.IPv4(), nodePort)
}

// await asks until the answer is as expected, which says what is wrong with it.
func (w world) await(query string, expected func(answer) error) {
	w.Helper()
	w.awaitAt(w.door(), query, expected)
}

func (w world) awaitAt(at netip.AddrPort, query string, expected func(answer) error) {
	w.Helper()
	w.eventually(func() error {
		a, err := ask(w.Context(), w.cluster.Dial, at, query)
		if err == nil {
			err = expected(a)
		}
		return err
	})
}

// eventually calls f until it returns no error.
func (w world) eventually(f func() error) {
	w.Helper()
	eventually.Within(w, patience, f)
}

// well is an answer that everybody reports.
func well(a answer) error {
	if a.status != http.StatusOK {
		return fmt.Errorf("the check is not well: %s", a)
	}
	return nil
}

// wellWith is a 200 that counts so many agents.
func wellWith(agents int) func(answer) error {
	want := fmt.Sprintf(`{"Message":"All %d pods successfully reported back to the server","Absent":null,"Outdated":null}`, agents)
	return func(a answer) error {
		if a.status != http.StatusOK || a.body != want {
			return fmt.Errorf("got %s, want 200 %s", a, want)
		}
		return nil
	}
}

// failsBy is a 400 for so many critical findings, unless for agents as well; or a 200 for none.
func failsBy(critical int) func(answer) error {
	return func(a answer) error {
		switch {
		case len(a.Outdated)+len(a.Absent) > 0, critical == 0 && a.status == http.StatusOK:
			return nil
		case critical > 0 && a.status == http.StatusBadRequest && strings.Contains(a.Message, fmt.Sprintf("Reason: %d critical finding", critical)):
			return nil
		}
		return fmt.Errorf("with %d critical findings: %s", critical, a)
	}
}

// outdated is a 400 that names these, as outdated, and nobody else.
func outdated(names []string) func(answer) error {
	return func(a answer) error {
		if a.status != http.StatusBadRequest || !slices.Equal(a.Outdated, names) || a.Absent != nil {
			return fmt.Errorf("got %s, want outdated %q alone", a, names)
		}
		return nil
	}
}

// absent is a 400 that names these, as absent, and nobody else.
func absent(names []string) func(answer) error {
	return func(a answer) error {
		if a.status != http.StatusBadRequest || !slices.Equal(a.Absent, names) || a.Outdated != nil {
			return fmt.Errorf("got %s, want absent %q alone", a, names)
		}
		return nil
	}
}

// blind is a 503 that does not pretend to know.
func blind(a answer) error {
	const begin = "Error occurred while checking the agents. Details: "
	if a.status != http.StatusServiceUnavailable || !strings.HasPrefix(a.body, begin) {
		return fmt.Errorf("got %s, want 503 %s…", a, begin)
	}
	return nil
}
