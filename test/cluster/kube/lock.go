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

// lockName is an abstract socket's: it is no file, and it is free again as soon
// as its process has ended.
const lockName = "@netchecker-cluster"

// lock keeps all others from changing the cluster until it is closed.
func lock(ctx context.Context, out io.Writer) (io.Closer, error) {
	for told := false; ; told = true {
		l, err := net.Listen("unix", lockName)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return nil, fmt.Errorf("locking the cluster: %w", err)
		}
		if !told {
			fmt.Fprintln(out, "Somebody else changes the cluster, waiting…")
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting until nobody else changes the cluster: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
