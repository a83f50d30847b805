// Build makes sure that tools which netchecker's tests and its Makefile run are
// in the cache, and builds those that are not:
//
//	build etcd kube-apiserver    build them, and say nothing where they are there
//	build --path etcd            build it, and print where it is
//	build --for "make test" --minutes 4 etcd
//	                             say first how long all that takes
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/netchecker/netchecker/test/tools"
)

func main() {
	path := flag.Bool("path", false, "print where each tool is")
	target := flag.String("for", "", "say at first how long it, which needs the tools, takes")
	minutes := flag.Int("minutes", 0, "how long that takes once the tools are there, and most is compiled")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: build [--path] [--for TARGET --minutes N] NAME...\nNames: %s\n", strings.Join(tools.Names(), " "))
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := announce(os.Stderr, *target, *minutes, flag.Args())
	if err == nil {
		err = run(ctx, flag.Args(), *path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

// announce says nothing where no target is named.
func announce(out io.Writer, target string, minutes int, names []string) error {
	if target == "" {
		return nil
	}
	missing, more, err := tools.Missing(names...)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s takes about %d min", target, minutes)
	if len(missing) > 0 {
		fmt.Fprintf(out, ", and this time about %d min more, to download and build %s", more, strings.Join(missing, ", "))
	}
	fmt.Fprintln(out, "; a while longer where Go has compiled little yet.")
	return nil
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
