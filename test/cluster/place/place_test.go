//go:build e2e

package place_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netchecker/netchecker/test/cluster/place"
	"github.com/netchecker/netchecker/test/eventually"
)

// pause builds the anchors' program.
func pause(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pause")
	build := exec.Command("go", "build", "-o", path, "../pause")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return path
}

func newPlace(t *testing.T) place.Place {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var anchor place.Identity
	p, err := place.New(ctx, place.Spec{Name: "somewhere", Dir: t.TempDir(), Pause: pause(t)},
		func(p place.Place) error { anchor = p.Anchor; return nil })
	t.Cleanup(func() {
		if err := place.Kill(context.Background(), anchor); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// says is what a command in the place prints.
func says(t *testing.T, p place.Place, in place.Spaces, name string, args ...string) string {
	t.Helper()
	out := new(bytes.Buffer)
	cmd := exec.Command(name, args...)
	cmd.Stdout = out
	if err := p.Run(cmd, in); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}

func TestPlaceHasAHostNameNetworkAndFoldersOfItsOwn(t *testing.T) {
	p := newPlace(t)
	for _, row := range []struct {
		command, want string
		in            place.Spaces
	}{
		{"hostname", "somewhere", place.Everything},
		{"cat /proc/1/comm", "pause", place.Everything},
		{"ls -A /var/lib /var/log", "/var/lib:\n\n/var/log:", place.Everything},
		{"ls /sys/class/net/none 2>/dev/null; ip -o link | cut -d: -f2", "lo", place.Network},
	} {
		if got := says(t, p, row.in, "sh", "-c", row.command); got != row.want {
			t.Errorf("%s: got %q, want %q", row.command, got, row.want)
		}
	}
}

func TestMachinesTunablesStayWhenAPlaceSetsThem(t *testing.T) {
	const tunable = "/proc/sys/vm/overcommit_memory"
	before, err := os.ReadFile(tunable)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlace(t)
	if got := says(t, p, place.Everything, "sh", "-c", "echo 2 >"+tunable+"; cat "+tunable); got != "2" {
		t.Errorf("the place reads %q", got)
	}
	if after, err := os.ReadFile(tunable); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the machine's was %q and is %q, %v", before, after, err)
	}
}

func TestDialConnectsWithinThePlace(t *testing.T) {
	here, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	p := newPlace(t)
	// Nobody listens there, while somebody does on the machine.
	if conn, err := p.Dial(t.Context(), "tcp", here.Addr().String()); err == nil {
		conn.Close()
		t.Error("it reached the machine's network")
	}
	_, err = p.Dial(t.Context(), "tcp", "localhost:80")
	if err == nil || err.Error() != "dialling localhost:80 from somewhere: it takes an IP address and a port" {
		t.Errorf("got error %v", err)
	}
}

func TestEverythingInAPlaceEndsWithItsAnchor(t *testing.T) {
	p := newPlace(t)
	child, err := p.Start(exec.Command("sleep", "600"))
	if err != nil {
		t.Fatal(err)
	}
	strays := []place.Identity{stray(t, p, place.Everything), stray(t, p, place.Network)}
	if err := place.Kill(t.Context(), p.Anchor, child); err != nil {
		t.Fatal(err)
	}
	for what, id := range map[string]place.Identity{
		"its anchor": p.Anchor, "what was started": child, "a stray": strays[0], "a stray with the machine's files": strays[1],
	} {
		if id.Alive() {
			t.Errorf("%s is left", what)
		}
	}
	if err := p.Run(exec.Command("true"), place.Network); err == nil {
		t.Error("a command ran in a place that is gone")
	}
}

// stray is a process that nobody wrote down, and whose parent has ended, in a
// session of its own.
func stray(t *testing.T, p place.Place, in place.Spaces) place.Identity {
	t.Helper()
	mark := filepath.Join(t.TempDir(), "stray")
	says(t, p, in, "sh", "-c", `setsid sh -c "sleep 600; true" "$0" >/dev/null 2>&1 &`, mark)
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		// Those that have ended meanwhile are others.
		if said, err := os.ReadFile(path); err != nil || !bytes.Contains(said, []byte(mark)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		id, err := place.Identify(pid)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	t.Fatal("there is no stray")
	return place.Identity{}
}

func TestAnchorThatCannotBeWrittenDownEndsByItself(t *testing.T) {
	full := errors.New("disk full")
	var anchor place.Identity
	_, err := place.New(t.Context(), place.Spec{Name: "nowhere", Dir: t.TempDir(), Pause: "/bin/true"},
		func(p place.Place) error { anchor = p.Anchor; return full })
	if !errors.Is(err, full) {
		t.Errorf("got error %v", err)
	}
	eventually.True(t, "it has ended", func() bool { return !anchor.Alive() })
}

func TestPlaceThatCannotBeSetUpTellsWhy(t *testing.T) {
	var anchor place.Identity
	_, err := place.New(t.Context(), place.Spec{Name: strings.Repeat("x", 65), Dir: t.TempDir(), Pause: "/bin/true"},
		func(p place.Place) error { anchor = p.Anchor; return nil })
	if err == nil || !strings.Contains(err.Error(), "its first process is not ready: EOF; it says:\nhostname: name too long\n") {
		t.Errorf("got error %v", err)
	}
	if err := place.Kill(t.Context(), anchor); err != nil {
		t.Error(err)
	}
}
