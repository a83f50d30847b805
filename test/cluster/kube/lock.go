package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Names of abstract sockets: these are no files, and are free again as soon as
// their process has ended.
const (
	changing = "@netchecker-cluster"
	reserved = "@netchecker-cluster-reserved"
)

// Reserve keeps all others who reserve the cluster from it until it is closed: tests
// that bring it up, and would take it from each other.
func Reserve(ctx context.Context, out io.Writer) (io.Closer, error) {
	return hold(ctx, reserved, "Somebody else has the cluster, waiting…", out)
}

// Free says whether nobody has the cluster reserved.
func Free() bool {
	l, err := net.Listen("unix", reserved)
	return err == nil && l.Close() == nil
}

// lock keeps all others from changing the cluster until it is closed.
func lock(ctx context.Context, out io.Writer) (io.Closer, error) {
	return hold(ctx, changing, "Somebody else changes the cluster, waiting…", out)
}

func hold(ctx context.Context, name, busy string, out io.Writer) (io.Closer, error) {
	for told := false; ; told = true {
		l, err := net.Listen("unix", name)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return nil, fmt.Errorf("locking the cluster: %w", err)
		}
		if !told {
			fmt.Fprintln(out, busy)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting until the cluster is free: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
