package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// play is the demo from its first line to its last. It returns nil when ctx ends
// it, and takes away what it made however it ends.
func play(ctx context.Context, o options, out io.Writer) (err error) {
	s, err := newStage(o, out)
	if err != nil {
		return err
	}
	defer func() {
		s.say("Stopping …")
		err = errors.Join(err, s.clear())
		if err == nil {
			s.say("Stopped; nothing is left.")
		}
	}()
	err = s.perform(ctx)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

func (s *stage) perform(ctx context.Context) error {
	pods, err := placed(cast())
	if err != nil {
		return err
	}
	if err := s.open(ctx, pods); err != nil {
		return err
	}
	if err := s.gather(ctx, pods); err != nil {
		return err
	}
	if err := s.judge(ctx); err != nil {
		return err
	}
	s.invite()
	return s.stay(ctx)
}

// open starts the server and waits until it answers.
func (s *stage) open(ctx context.Context, pods []pod) error {
	s.say("Logs of this demo are in %s until it ends.", s.dir)
	s.say("Starting a server with its embedded etcd on %s …", s.endpoint)
	began := time.Now()
	if err := s.startServer(pods); err != nil {
		return err
	}
	if err := s.until(ctx, s.api.ping); err != nil {
		return err
	}
	s.say("The server answers after %v.", time.Since(began).Round(100*time.Millisecond))
	return nil
}

// gather starts the agents and waits until all have reported.
func (s *stage) gather(ctx context.Context, pods []pod) error {
	s.say("Starting %d agents that report every %ds …", len(pods), s.interval)
	for _, p := range pods {
		if err := s.startAgent(p); err != nil {
			return err
		}
	}
	told := -1
	return s.until(ctx, func(ctx context.Context) error {
		n, err := s.api.reporting(ctx)
		if err != nil {
			return err
		}
		if n != told {
			s.say("%d of %d agents have reported", n, len(pods))
			told = n
		}
		if n < len(pods) {
			return fmt.Errorf("%d of %d agents have reported", n, len(pods))
		}
		return nil
	})
}

// judge waits for the verdict that all is well, and prints it.
func (s *stage) judge(ctx context.Context) error {
	return s.until(ctx, func(ctx context.Context) error {
		code, body, err := s.api.verdict(ctx)
		if err != nil {
			return err
		}
		if code != http.StatusOK {
			return fmt.Errorf("all have reported, but the verdict is %d %.1000s", code, body)
		}
		s.say("\nThe verdict: %d %s\n%s", code, http.StatusText(code), body)
		return nil
	})
}

// invite says what to try.
func (s *stage) invite() {
	victim, sleeper := s.agents[len(s.agents)-1], s.agents[len(s.agents)/2]
	s.say(`
Try, in another terminal:
  curl -i %[1]s%[2]s        the verdict
  curl %[1]s%[3]s                      everybody's newest report
  curl %[1]s%[3]s%[4]s
  curl %[1]s%[7]s                   for whom a backend was away, and how long
  curl %[1]s%[8]s
  curl %[1]s%[9]s                         what they measure of the paths between them
  curl '%[1]s%[9]s?node=node-2'
  curl -H 'Accept: text/plain' %[1]s%[10]s         what is found broken, and where
  curl %[1]s/metrics
  curl '%[1]s/readyz?verbose'

Freeze an agent and watch:
  kill -STOP %[11]d                                         freezes %[12]s
  curl -H 'Accept: text/plain' %[1]s%[10]s         within half a minute: that it stands still, and the network is not at fault
  kill -CONT %[11]d                                         lets it go on; 15 s later there is nothing to be told

Kill an agent and watch:
  kill %[5]d                                               ends %[4]s
  curl -i %[1]s%[2]s        after %[6]v (two report intervals): 400, and it is Outdated

Ctrl-C ends the demo and removes what it made.`,
		s.api.base, verdictPath, agentsPath, victim.name, victim.PID(), s.silence(), disruptionPath, intervalsPath, meshPath, findingsPath, sleeper.PID(), sleeper.name)
}

// stay waits for the end. Agents may be killed meanwhile, but not fail.
func (s *stage) stay(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-s.ended:
			if a == s.server || !wasEnded(a.Err()) {
				return a.death()
			}
			s.say("%s was ended (%s): Outdated once its report is older than %v.", a.name, a.how(), s.silence())
		}
	}
}

// say prints a line. Who closes the demo's output ends it by that (SIGPIPE), so
// the error has nothing to add.
func (s *stage) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, format+"\n", args...)
}
