// Cluster brings a real Kubernetes cluster up on this machine, and takes it down:
//
//	cluster up [-nodes 3] [-dual-stack]   bring one up, instead of what there is
//	cluster down [-if-free]               take it down, and leave nothing
//	cluster status                        its nodes and pods
//	cluster shell [COMMAND…]              a shell in its network, with kubectl and helm
//	cluster add-node                      add a node
//	cluster remove-node NAME              switch a node off and delete it
//	cluster load IMAGE.tar                load an image on every node
//	cluster fault NAME [ARGUMENT…]        break something
//	cluster heal NAME [ARGUMENT…]         mend it
//	cluster gather DIR                    copy logs, objects and rules to a folder
//
// It takes root. See package kube for what the cluster is.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	var exit exitStatus
	switch {
	case err == nil:
	case errors.As(err, &exit):
		os.Exit(int(exit))
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}
