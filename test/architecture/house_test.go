package architecture_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/test/architecture"
)

// small is a house of six packages.
const small = `
Words before.

| server/ (top to bottom) | holds |
|---|---|
| ` + "`server`" + ` | flags |
| ` + "`server/api`" + ` | HTTP |
| ` + "`server/store`" + ` | etcd |

| agent/ (top to bottom) | holds |
|:--|--:|
| ` + "`agent`" + ` | flags |

| pkg/ (top to bottom) | holds |
|---|---|
| ` + "`pkg/serve`" + ` | listeners |
| ` + "`pkg/report`" + ` | the wire |

| another | table |
|---|---|
| of | no room |
`

func parse(t *testing.T, markdown string) architecture.House {
	t.Helper()
	house, err := architecture.Parse(markdown)
	if err != nil {
		t.Fatal(err)
	}
	return house
}

func TestTablesAreRead(t *testing.T) {
	house := parse(t, small)
	want := []string{"server: server server/api server/store", "agent: agent", "pkg: pkg/serve pkg/report"}
	var got []string
	for _, r := range house.Rooms {
		got = append(got, r.Name+": "+strings.Join(r.Packages, " "))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTablesThatCannotBeReadAreErrors(t *testing.T) {
	const head = "| server/ (top to bottom) | holds |\n|---|---|\n"
	for _, row := range []struct{ name, text, want string }{
		{"no table", "words", `there is no table whose head is "ROOM/ (top to bottom)"`},
		{"another room's package", head + "| `agent/probe` | x |",
			"row \"`agent/probe`\" in the table of server/: it should begin with a package of that room, in backquotes"},
		{"no backquotes", head + "| server/api | x |",
			`row "server/api" in the table of server/: it should begin with a package of that room, in backquotes`},
		{"a row twice", head + "| `server/api` | x |\n| `server/api` | y |", "server/api has two rows"},
	} {
		if _, err := architecture.Parse(row.text); err == nil || err.Error() != row.want {
			t.Errorf("%s: got error %v, want %s", row.name, err, row.want)
		}
	}
}

func TestImportsAreHeldAgainstTheHouse(t *testing.T) {
	reserved := []architecture.Reserved{{Name: "etcd", Prefix: "go.etcd.io/etcd", For: []string{"server/store"}}}
	for _, row := range []struct {
		name    string
		imports architecture.Imports
		want    []string
	}{
		{"as it should be", architecture.Imports{
			"server":       {"fmt", "server/api", "server/store", "pkg/report"},
			"server/api":   {"pkg/serve", "server/store"},
			"server/store": {"go.etcd.io/etcd/client/v3", "pkg/report"},
			"agent":        {"pkg/serve"},
			"pkg/serve":    {"pkg/report", "net/http"},
		}, nil},
		{"an arrow back up", architecture.Imports{"server/store": {"server/api"}},
			[]string{"server/store → server/api: the arrow runs up, its row should stand below"}},
		{"an arrow to the top", architecture.Imports{"server/api": {"server"}},
			[]string{"server/api → server: the arrow runs up, its row should stand below"}},
		{"an arrow back up in pkg", architecture.Imports{"pkg/report": {"pkg/serve"}},
			[]string{"pkg/report → pkg/serve: the arrow runs up, its row should stand below"}},
		{"the agent imports the server", architecture.Imports{"agent": {"server/api"}},
			[]string{"agent → server/api: agent and server meet in pkg alone"}},
		{"the server imports the agent", architecture.Imports{"server": {"agent"}},
			[]string{"server → agent: server and agent meet in pkg alone"}},
		{"pkg imports a room", architecture.Imports{"pkg/report": {"server/store", "agent"}},
			[]string{"pkg/report → agent: pkg imports no other room", "pkg/report → server/store: pkg imports no other room"}},
		{"a reserved library", architecture.Imports{"server/api": {"go.etcd.io/etcd/client/v3", "go.etcd.io/etcdlike"}},
			[]string{"server/api → go.etcd.io/etcd/client/v3: etcd is for server/store alone"}},
		{"a package without a row", architecture.Imports{"server/utils": {"server/api"}, "server": {"server/utils"}},
			[]string{"server → server/utils: the package imported has no row", "server/utils has no row"}},
		{"a test's package", architecture.Imports{"agent": {"test/etcdtest"}, "test/etcdtest": nil},
			[]string{"agent → test/etcdtest: the package imported has no row", "test/etcdtest has no row"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, path := range []string{"server", "server/api", "server/store", "agent", "pkg/serve", "pkg/report"} {
				if _, there := row.imports[path]; !there {
					row.imports[path] = nil
				}
			}
			if got := architecture.Check(parse(t, small), reserved, row.imports); !slices.Equal(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestRowsWithoutAPackageAreFound(t *testing.T) {
	got := architecture.Missing(parse(t, small), architecture.Imports{
		"server": nil, "server/api": nil, "agent": nil, "pkg/report": nil,
	})
	if want := []string{"server/store", "pkg/serve"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
