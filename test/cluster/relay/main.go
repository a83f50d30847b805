// Relay is a slow piece of cable: it makes two TAP devices, and what arrives at
// one of them leaves by the other some time later.
//
//	relay -delay 50ms NEAR FAR
//
// A kernel with netem needs none of this; not every kernel has that.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

func main() {
	delay := flag.Duration("delay", 0, "how much later a packet arrives")
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("relay takes the names of two devices")
	}
	if err := run(*delay, flag.Arg(0), flag.Arg(1)); err != nil {
		log.Fatal(err)
	}
}

func run(delay time.Duration, near, far string) error {
	a, err := tap(near)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := tap(far)
	if err != nil {
		return err
	}
	defer b.Close()
	var group errgroup.Group
	for _, way := range [][2]*os.File{{a, b}, {b, a}} {
		group.Go(func() error {
			// Both ways end with one: a cable that is half dead is no cable.
			defer a.Close()
			defer b.Close()
			return forward(way[0], way[1], delay)
		})
	}
	return group.Wait()
}

// tap makes a device that lasts as long as its file is open.
func tap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("making the device %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
