package system_test

import (
	"testing"
	"time"
)

func TestAServerThatStoodStillBlamesNobodyForIt(t *testing.T) {
	sideBySide(t)
	for name, etcd := range map[string]func(*testing.T) flags{
		"with its own etcd":      func(t *testing.T) flags { return ownEtcd(t) },
		"with an etcd elsewhere": func(t *testing.T) flags { return in(startEtcd(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := agent{name: "a"}
			s := serve(t, etcd(t), expecting(t, a)).ready()
			keepReporting(t, s.url, a)
			s.becomes(checkPath, 200, allWell(1))
			seen, stop := watch(t, s.url)
			for range 2 {
				s.pause()
				// Two intervals, and more than -ping-timeout.
				time.Sleep(8 * time.Second)
				s.resume()
				s.becomes(checkPath, 200, allWell(1))
			}
			time.Sleep(5 * time.Second)
			stop()
			seen.wantNobodyBlamed(t)
		})
	}
}
