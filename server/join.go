package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/netchecker/netchecker/pkg/wait"
	"github.com/netchecker/netchecker/server/evaluate"
	"github.com/netchecker/netchecker/server/judge"
)

// A server that starts knows less than those that run: it has not heard yet who still
// reports. Where others serve, it is not asked before it can say what they say.
const (
	// joinWithin bounds that: agents report once in it, as they do by default.
	joinWithin = time.Minute
	// loadWithin bounds how long it takes to find out that there are others.
	loadWithin = 2 * time.Second
	// serverWithin is how long another server may take to say whether it serves.
	serverWithin = time.Second
	joinEvery    = 200 * time.Millisecond
)

// joiner waits until a server should be asked.
type joiner struct {
	snapshot func() *judge.Snapshot
	// others are the addresses of the other servers that may serve, and serves says
	// whether one does.
	others func() []netip.AddrPort
	serves func(context.Context, netip.AddrPort) bool
	// waits is called where there is something to wait for.
	waits func()
}

// wait returns once the server should be asked, or ctx ends.
func (j *joiner) wait(ctx context.Context) {
	begun, told := time.Now(), false
	for ctx.Err() == nil {
		waited := time.Since(begun)
		snapshot := j.snapshot()
		switch {
		case !snapshot.Loaded && waited >= loadWithin, informed(snapshot), waited >= joinWithin:
			return
		case snapshot.Loaded && !slices.ContainsFunc(j.others(), func(at netip.AddrPort) bool { return j.serves(ctx, at) }):
			return
		case snapshot.Loaded && !told:
			j.waits()
			told = true
		}
		wait.For(ctx, joinEvery)
	}
}

// informed says whether a server knows as much as one that has run for long.
func informed(s *judge.Snapshot) bool {
	switch s.Unknown.Cause {
	case judge.Nothing:
		return s.Summary.Read == 0 && s.Verdict(true) != evaluate.CannotKnow
	case judge.StoreUnread, judge.StoreJustBack, judge.ListUnread:
		return false
	}
	return true // others know no more
}

// servesAt asks a server whether it is in its Service.
func servesAt(ctx context.Context, at netip.AddrPort) bool {
	ctx, cancel := context.WithTimeout(ctx, serverWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/readyz/serving", at), nil)
	if err != nil {
		return false
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1024))
	return response.StatusCode == http.StatusOK
}
