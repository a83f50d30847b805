package shared

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/netchecker/netchecker/test/kubetest"
)

// shared is the cluster of all tests.
var shared *kubetest.Server

func TestMain(m *testing.M) {
	if err := flag.Set("logtostderr", "true"); err != nil {
		panic(err)
	}
	status := kubetest.Main(func(s *kubetest.Server) int {
		shared = s
		return m.Run()
	})
	glogs := goleak.IgnoreAnyFunction("github.com/golang/glog.(*fileSink).flushDaemon")
	if err := goleak.Find(glogs); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}
