package mesh

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTheCgroupsAccountIsReadInBothVersions(t *testing.T) {
	for stat, want := range map[string]time.Duration{
		"usage_usec 5\nnr_periods 3\nnr_throttled 1\nthrottled_usec 1500\nnr_bursts 0\n": 1500 * time.Microsecond,
		"nr_periods 3\nnr_throttled 1\nthrottled_time 1500\n":                            1500,
		"usage_usec 5\nuser_usec 4\n":                                                    0,
		"throttled_usec many\n":                                                          0,
		"":                                                                               0,
	} {
		if got := throttledIn([]byte(stat)); got != want {
			t.Errorf("%q: %v, want %v", stat, got, want)
		}
	}
}

func TestTheFirstAccountThatIsThereIsReadAnewEachTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cpu.stat")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("throttled_usec 1000\n")
	k := Kernel{CPUStat: []string{path + "-none", path}}
	defer k.Close()
	if got := k.Throttled(); got != time.Millisecond {
		t.Errorf("got %v", got)
	}
	write("throttled_usec 3000\n")
	if got := k.Throttled(); got != 3*time.Millisecond {
		t.Errorf("got %v", got)
	}
	none := Kernel{CPUStat: []string{path + "-none"}}
	if got := none.Throttled(); got != 0 {
		t.Errorf("without a file: %v", got)
	}
}

func TestConnectionsThatTheKernelTracksAreReadWhereTheyAreToBeSeen(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"count": "1234\n", "max": "262144\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k := Kernel{ConntrackCount: filepath.Join(dir, "count"), ConntrackMax: filepath.Join(dir, "max")}
	if count, most := k.Conntrack(); count != 1234 || most != 262144 {
		t.Errorf("%d of %d", count, most)
	}
	for _, k := range []Kernel{{}, {ConntrackCount: filepath.Join(dir, "none"), ConntrackMax: dir}, RealKernel(false)} {
		if count, most := k.Conntrack(); count != 0 || most != 0 {
			t.Errorf("%d of %d", count, most)
		}
	}
}
