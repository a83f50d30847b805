//go:build older

package etcdtest_test

import (
	"strings"
	"testing"

	"github.com/netchecker/netchecker/test/etcdtest"
)

func TestOlderReleasesRun(t *testing.T) {
	t.Parallel()
	for _, release := range etcdtest.Older() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			etcd := etcdtest.Start(t, etcdtest.Version(release))
			status, err := etcd.Client(t).Status(t.Context(), etcd.Endpoint)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(status.Version, release+".") {
				t.Errorf("this is etcd %s", status.Version)
			}
		})
	}
}
