package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"sigs.k8s.io/yaml"
)

// TestMain lets this test's program be what it is called: the demo itself, or
// the smallest server and agent that the demo can play with.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "demo":
		main()
	case "netchecker-server":
		exit(fakeServer())
	case "netchecker-agent":
		exit(fakeAgent())
	default:
		// The race detector lets each program that it is in sleep before it exits.
		if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
			exit(err)
		}
		// Under nohup the demo would ignore SIGHUP as well. A signal that somebody here
		// waits for is one that the programs started from here do not ignore.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
		goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	os.Exit(0)
}

// Variables that make the fakes fail.
const (
	// fakeServerFails is an error with which the server ends at once.
	fakeServerFails = "NETCHECKER_FAKE_SERVER_FAILS"
	// fakeAgentFails is a file whose coming into being makes agents fail.
	fakeAgentFails = "NETCHECKER_FAKE_AGENT_FAILS"
)

// fakeBinaries is a directory in which this program is both binaries, and demo.
func fakeBinaries(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"netchecker-server", "netchecker-agent", "demo"} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func terminated() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM)
}

// memory is what the fake server knows.
type memory struct {
	mu       sync.Mutex
	expected int
	reports  map[string]json.RawMessage
}

func fakeServer() error {
	if reason := os.Getenv(fakeServerFails); reason != "" {
		return fmt.Errorf("cannot start: %s", reason)
	}
	flags := flag.NewFlagSet("", flag.ExitOnError)
	flags.Bool("logtostderr", false, "")
	endpoint := flags.String("endpoint", "", "")
	agents := flags.String("agents-file", "", "")
	data := flags.String("data-dir", "", "")
	flags.String("backends-file", "", "")
	flags.Bool("allow-loopback", false, "")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	if err := os.MkdirAll(*data, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(*data, "wal"), []byte("x"), 0o600); err != nil {
		return err
	}
	content, err := os.ReadFile(*agents)
	if err != nil {
		return err
	}
	var list struct{ Agents []struct{ Name string } }
	if err := yaml.Unmarshal(content, &list); err != nil {
		return err
	}
	m := &memory{expected: len(list.Agents), reports: map[string]json.RawMessage{}}
	srv := &http.Server{Addr: *endpoint, Handler: m.routes()}
	ctx, stop := terminated()
	defer stop()
	go func() {
		<-ctx.Done()
		srv.Close()
	}()
	if err := srv.ListenAndServe(); ctx.Err() == nil {
		return err
	}
	return nil
}

func (m *memory) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pingPath, func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET "+agentsPath, func(w http.ResponseWriter, _ *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		_ = json.NewEncoder(w).Encode(m.reports)
	})
	mux.HandleFunc("POST "+agentsPath+"{name}", func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.reports[r.PathValue("name")] = json.RawMessage("{}")
	})
	mux.HandleFunc("GET "+verdictPath, func(w http.ResponseWriter, _ *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.reports) < m.expected {
			w.WriteHeader(http.StatusBadRequest)
		}
		fmt.Fprintf(w, `{"Message":"%d of %d"}`, len(m.reports), m.expected)
	})
	return mux
}

func fakeAgent() error {
	flags := flag.NewFlagSet("", flag.ExitOnError)
	flags.Bool("logtostderr", false, "")
	server := flags.String("serverendpoint", "", "")
	interval := flags.Int("reportinterval", 0, "")
	network := flags.String("network", "", "")
	listen := flags.String("listen", "unset", "")
	flags.String("mesh-listen", "", "")
	flags.Bool("allow-loopback", false, "")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	if *interval < 1 || *network == "" || *listen != "" || os.Getenv("MY_NODE_NAME") == "" || os.Getenv("MY_POD_NAMESPACE") == "" {
		return fmt.Errorf("not told all: %q", os.Args)
	}
	ctx, stop := terminated()
	defer stop()
	url := "http://" + *server + agentsPath + os.Getenv("MY_POD_NAME")
	resp, err := http.Post(url, "application/json", bytes.NewReader([]byte("{}")))
	if err != nil {
		return err
	}
	resp.Body.Close()
	for ctx.Err() == nil {
		if _, err := os.Stat(os.Getenv(fakeAgentFails)); err == nil {
			return fmt.Errorf("no more memory")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}
