package store

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/netchecker/netchecker/server/fleet"
)

// tree is the prefix of all keys, with a slash at its end. Only this file knows
// what keys look like.
type tree string

func newTree(name string) tree { return tree(strings.Trim(name, "/") + "/") }

// noNamespace stands for a namespace that is empty. No namespace is called so,
// nor does an unlisted key's begin so.
const noNamespace = "-"

func (t tree) agents() string             { return string(t) + "agents/" }
func (t tree) counters() string           { return string(t) + "counters/" }
func (t tree) counter(name string) string { return t.counters() + name }
func (t tree) leader() string             { return string(t) + "leader/" }

// appendAgent appends the key of a pod's report to dst.
func (t tree) appendAgent(dst []byte, k fleet.Key) ([]byte, error) {
	if k.Name == "" || k.Namespace == noNamespace || strings.Contains(k.Name, "/") || strings.Contains(k.Namespace, "/") {
		return dst, fmt.Errorf("a report can't be kept under namespace %q and name %q", k.Namespace, k.Name)
	}
	namespace := k.Namespace
	if namespace == "" {
		namespace = noNamespace
	}
	dst = append(dst, t...)
	dst = append(dst, "agents/"...)
	dst = append(dst, namespace...)
	dst = append(dst, '/')
	return append(dst, k.Name...), nil
}

// agent reads what appendAgent wrote.
func (t tree) agent(key []byte) (fleet.Key, bool) {
	rest, ok := bytes.CutPrefix(key, []byte(t.agents()))
	if !ok {
		return fleet.Key{}, false
	}
	namespace, name, ok := strings.Cut(string(rest), "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return fleet.Key{}, false
	}
	if namespace == noNamespace {
		namespace = ""
	}
	return fleet.Key{Namespace: namespace, Name: name}, true
}

// shard reads what counter wrote.
func (t tree) shard(key []byte) (string, bool) {
	return strings.CutPrefix(string(key), t.counters())
}
