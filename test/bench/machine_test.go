package main

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMemoryIsReadFromTheProcessStatus(t *testing.T) {
	status := "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1536 kB\n"
	if got, err := statusMiB(status, "VmRSS"); got != 1.5 || err != nil {
		t.Errorf("got %v, %v; want 1.5", got, err)
	}
	if _, err := statusMiB(status, "VmSwap"); err == nil || err.Error() != "VmSwap is missing in a process's status" {
		t.Errorf("got %v", err)
	}
	now, peak, err := resident(os.Getpid())
	if err != nil || now < 1 || peak < now {
		t.Errorf("this process has %v MiB, and had %v, %v", now, peak, err)
	}
}

func TestCPUTimeIsThatOfTheProcess(t *testing.T) {
	// What getrusage(2) tells of this process is the same, to a microsecond or so.
	spent := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	const slack = time.Millisecond
	before := spent()
	got, err := cpuTime(os.Getpid())
	if after := spent(); err != nil || got < before-slack || got > after+slack {
		t.Errorf("got %v, %v; want from %v to %v", got, err, before, after)
	}
	if _, err := cpuTime(1 << 22); err == nil {
		t.Error("the CPU time of a process that cannot be should be an error")
	}
}

func TestCPUIsToldPerSecond(t *testing.T) {
	const work = 50 * time.Millisecond
	began := time.Now()
	share, err := cpuDuring(os.Getpid(), func() error {
		before, err := cpuTime(os.Getpid())
		for now := before; now < before+work && err == nil; now, err = cpuTime(os.Getpid()) {
		}
		return err
	})
	// The machine may be busy, and other goroutines may run too.
	took := time.Since(began).Seconds()
	if least, most := milliseconds(work)/took, 1000*float64(runtime.NumCPU()); err != nil || share < least || share > most {
		t.Errorf("%.1f ms/s, %v; want %.1f to %.1f", share, err, least, most)
	}
	if _, err := cpuDuring(os.Getpid(), func() error { return os.ErrClosed }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestSeriesAreAddedUpByTheirLabel(t *testing.T) {
	metrics := []byte(`# TYPE a_total counter
a_total{code="200",route="report"} 7
a_total{code="503",route="report"} 0.5
a_total{code="200",route="reports"} 100
a_total_more{code="200",route="report"} 100
`)
	if got, err := sum(metrics, "a_total", `route="report"`); got != 7.5 || err != nil {
		t.Errorf("got %v, %v; want 7.5", got, err)
	}
	if _, err := sum([]byte("a_total{b=\"c\"} x\n"), "a_total", `b="c"`); err == nil || err.Error() != `reading a_total: strconv.ParseFloat: parsing "x": invalid syntax` {
		t.Errorf("got %v", err)
	}
}

func TestAMetricIsReadByItsWholeName(t *testing.T) {
	if _, err := gauge([]byte("a_b 1\n"), "a"); err == nil {
		t.Error("a metric that is missing should be an error")
	}
	if v, err := gauge([]byte("# HELP a b\na 0.25\n"), "a"); v != 0.25 || err != nil {
		t.Errorf("got %v, %v; want 0.25", v, err)
	}
}
