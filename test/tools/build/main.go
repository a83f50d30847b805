// Build makes sure that tools which netchecker's tests and its Makefile run are
// in the cache, and builds those that are not:
//
//	build etcd kube-apiserver    build them, and say nothing where they are there
//	build --path etcd            build it, and print where it is
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/netchecker/netchecker/test/tools"
)

func main() {
	path := flag.Bool("path", false, "print where each tool is")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: build [--path] NAME...\nNames: %s\n", strings.Join(tools.Names(), " "))
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, flag.Args(), *path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string, print bool) error {
	for _, name := range names {
		if err := (tools.Builder{Out: os.Stderr}).Build(ctx, name); err != nil {
			return err
		}
		if !print {
			continue
		}
		path, err := tools.Path(name)
		if err != nil {
			return err
		}
		fmt.Println(path)
	}
	return nil
}
