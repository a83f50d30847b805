package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/netchecker/netchecker/test/cluster/place"
)

// start starts a component in its place and writes its process down.
func (c *Cluster) start(what component) error {
	p, err := c.place(what.place)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(c.folder.log(what.place, what.name()), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(c.folder.program(what.program), what.args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, c.environment()
	id, err := p.Start(cmd)
	if err != nil {
		return fmt.Errorf("starting %s on %s: %w", what.program, what.place, err)
	}
	return c.update(func(s *state) { s.Processes[what.key()] = id })
}

// ensure starts a component unless it runs.
func (c *Cluster) ensure(what component) error {
	if c.process(what).Alive() {
		return nil
	}
	return c.start(what)
}

// stop kills a component. One that does not run is no error.
func (c *Cluster) stop(ctx context.Context, what component) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := place.Kill(ctx, c.process(what)); err != nil {
		return fmt.Errorf("stopping %s on %s: %w", what.program, what.place, err)
	}
	return nil
}

// process is the component's; none was ever started where it is the zero value.
func (c *Cluster) process(what component) place.Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Processes[what.key()]
}

// environment has the cluster's programs first on PATH, and keeps what kubectl and
// helm remember out of the user's home. No proxy of the user's is in reach.
func (c *Cluster) environment() []string {
	own := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return strings.HasSuffix(strings.ToLower(name), "_proxy")
	})
	return append(own,
		"PATH="+c.folder.path("bin")+":"+os.Getenv("PATH")+":/usr/sbin:/sbin",
		"KUBECONFIG="+c.folder.kubeconfig("admin"),
		"KUBECACHEDIR="+c.folder.path("cache", "kubectl"),
		"HELM_CACHE_HOME="+c.folder.path("cache", "helm"),
		"HELM_CONFIG_HOME="+c.folder.path("cache", "helm-config"),
		"HELM_DATA_HOME="+c.folder.path("cache", "helm-data"),
	)
}

// Command is a program on the cluster's network, to be run with Run. The cluster's
// own (kubectl, helm) come first, and are the administrator's.
func (c *Cluster) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	path := c.folder.program(program)
	if _, err := os.Stat(path); err != nil {
		path = program
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = c.environment()
	return cmd
}

// Run runs what Command made in the control plane's network, with the machine's
// files, and waits for it.
func (c *Cluster) Run(cmd *exec.Cmd) error {
	p, err := c.place(controlPlane)
	if err != nil {
		return err
	}
	return p.Run(cmd, place.Network)
}

// Kubectl runs kubectl as the administrator, with input, and returns what it prints.
// It gets five minutes: by itself it would wait for days until an object is deleted.
func (c *Cluster) Kubectl(ctx context.Context, input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	out := new(bytes.Buffer)
	cmd := c.Command(ctx, "kubectl", args...)
	cmd.Stdin, cmd.Stdout = strings.NewReader(input), out
	if err := c.Run(cmd); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), err)
	}
	return out.String(), nil
}

// nodeCommand runs a program as one of a node's own and returns what it prints.
func (c *Cluster) nodeCommand(ctx context.Context, node, program string, args ...string) (string, error) {
	p, err := c.place(node)
	if err != nil {
		return "", err
	}
	out := new(bytes.Buffer)
	cmd := c.Command(ctx, program, args...)
	cmd.Stdout = out
	err = p.Run(cmd, place.Everything)
	return out.String(), err
}

// patience is how long anything that was started may take to be ready.
const patience = 90 * time.Second

// await waits until ready says nil. When the component ends first, or it takes
// too long, the error has the end of its log.
func (c *Cluster) await(ctx context.Context, what component, ready func(context.Context) error) error {
	err := poll(ctx, func(ctx context.Context) (bool, error) {
		err := ready(ctx)
		if err == nil {
			return true, nil
		}
		return !c.process(what).Alive(), err
	})
	if err == nil {
		return nil
	}
	state := "is not ready"
	if !c.process(what).Alive() {
		state = "has ended"
	}
	log := c.folder.log(what.place, what.name())
	return fmt.Errorf("%s on %s %s: %w; %s ends with:\n%s", what.program, what.place, state, err, log, logTail(log))
}

// poll asks until the answer is final, and returns its error. Where it never is,
// the error is the last answer's.
func poll(ctx context.Context, ask func(context.Context) (final bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		final, err := ask(ctx)
		if final {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-tick.C:
		}
	}
}

// logTail is the end of a log, where most programs say what they failed from.
func logTail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const limit = 4 << 10
	if size, err := f.Seek(0, io.SeekEnd); err != nil || size > limit {
		_, err = f.Seek(-limit, io.SeekEnd)
		if err != nil {
			return err.Error()
		}
	} else if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err.Error()
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
