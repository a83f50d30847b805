// Write makes the examples anew from the chart. It runs in the repository's root.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/netchecker/netchecker/test/chart"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := write(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func write(ctx context.Context) error {
	home, err := os.MkdirTemp("", "netchecker-helm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	helm, err := chart.NewHelm(".", home)
	if err != nil {
		return err
	}
	files, err := chart.Examples(ctx, helm)
	if err != nil {
		return err
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
