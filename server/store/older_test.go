//go:build older

package store_test

import (
	"testing"

	"github.com/netchecker/netchecker/test/etcdtest"
)

func TestTwoStoresOnOlderEtcdsSeeEachOthersWrites(t *testing.T) {
	t.Parallel()
	for _, release := range etcdtest.Older() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			twoStoresOn(t, etcdtest.Start(t, etcdtest.Version(release)))
		})
	}
}
