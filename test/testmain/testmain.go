// Package testmain is what the tests of packages that log and start goroutines
// have in common.
package testmain

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// Run runs the tests of a package and ends the process. It fails where a goroutine
// is left, but for the one that glog starts at its init and never ends. Logs go to
// standard error, because glog would leave files in the temporary directory.
func Run(m *testing.M) {
	if f := flag.Lookup("logtostderr"); f != nil {
		_ = f.Value.Set("true") // a bool flag takes it
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}
