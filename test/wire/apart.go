package wire

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
)

// apart tells a process by the environment that it is in a namespace of its own.
const apart = "NETCHECKER_TEST_APART"

// Apart runs a test, which has to call it first and to return where it returns false, once
// more, as a process in a network namespace of its own: there it returns true. What that
// process prints is told where it fails.
func Apart(t *testing.T) bool {
	t.Helper()
	if os.Getenv(apart) == t.Name() {
		return true
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-test.run=^"+regexp.QuoteMeta(t.Name())+"$", "-test.v", "-test.count=1", "-test.timeout=2m")
	// The race detector would have the process wait for a second at its end.
	cmd.Env = append(os.Environ(), apart+"="+t.Name(), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	switch {
	case cmd.ProcessState == nil:
		t.Fatalf("a network namespace of the test's own takes root, or that users may have namespaces: %v", err)
	case err != nil:
		t.Fatalf("apart, it ends with %v:\n%s", err, out)
	case !bytes.Contains(out, []byte("--- PASS: "+t.Name()+" ")):
		t.Fatalf("apart, it did not run:\n%s", out)
	case testing.Verbose():
		fmt.Printf("%s", out)
	}
	return false
}
