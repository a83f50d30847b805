package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// The server's paths that the demo asks, or tells the reader to.
const (
	pingPath    = "/api/v1/ping"
	agentsPath  = "/api/v1/agents/"
	verdictPath = "/api/v1/connectivity_check"

	disruptionPath = "/api/v1/disruption"
	intervalsPath  = "/api/v1/intervals"
	meshPath       = "/api/v1/mesh"
	findingsPath   = "/api/v1/findings"
)

// api is the server as the demo sees it.
type api struct {
	base   string // http://host:port
	client *http.Client
}

func newAPI(endpoint string) *api {
	// Without Proxy: the server is on this machine.
	return &api{"http://" + endpoint, &http.Client{Transport: &http.Transport{}, Timeout: 5 * time.Second}}
}

func (a *api) close() { a.client.CloseIdleConnections() }

// ping returns nil when the server answers.
func (a *api) ping(ctx context.Context) error {
	code, _, err := a.get(ctx, pingPath)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("the server answers %d", code)
	}
	return err
}

// reporting is how many agents have a report on the server.
func (a *api) reporting(ctx context.Context) (int, error) {
	code, body, err := a.get(ctx, agentsPath)
	if err != nil {
		return 0, err
	}
	var agents map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &agents); err != nil || code != http.StatusOK {
		return 0, fmt.Errorf("%s answers %d %.300s", agentsPath, code, body)
	}
	return len(agents), nil
}

// verdict is the answer of the connectivity check.
func (a *api) verdict(ctx context.Context) (code int, body string, err error) {
	return a.get(ctx, verdictPath)
}

func (a *api) get(ctx context.Context, path string) (code int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := a.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, "", fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return resp.StatusCode, strings.TrimSpace(string(b)), nil
}
