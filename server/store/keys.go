package store

import "strings"

// tree is the prefix of all keys, with a slash at its end.
type tree string

func newTree(name string) tree { return tree(strings.Trim(name, "/") + "/") }

// kind is the prefix of the keys of the kind of that name.
func (t tree) kind(name string) string { return string(t) + name + "/" }

func (t tree) leader() string { return t.kind("leader") }
