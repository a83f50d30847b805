package main

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestWrongUsageTellsTheRightOne(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		args []string
		want string
	}{
		{nil, "wrong usage; there are\n  cluster up [-nodes 3] [-dual-stack]\n"},
		{[]string{"upp"}, "wrong usage; there are\n  cluster up [-nodes 3] [-dual-stack]\n"},
		{[]string{"down", "now"}, "wrong usage: cluster down "},
		{[]string{"remove-node"}, "wrong usage: cluster remove-node NAME"},
		{[]string{"load", "a", "b"}, "wrong usage: cluster load IMAGE.tar"},
	} {
		err := run(t.Context(), row.args, io.Discard)
		if !errors.Is(err, errUsage) || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%q: got error %v, want %s", row.args, err, row.want)
		}
	}
}

func TestUsageNamesEachFault(t *testing.T) {
	t.Parallel()
	text := usage().Error()
	for _, fault := range []string{
		"overlay-cut", "link-down", "underlay-cut", "blackhole", "loss", "delay", "dns-cut", "kubeproxy-dead", "kubelet-dead",
		"coredns-down", "apiserver-down", "server-pod-killed", "etcd-frozen",
	} {
		if !strings.Contains(text, "\n  "+fault) {
			t.Errorf("%s is missing in\n%s", fault, text)
		}
	}
}
