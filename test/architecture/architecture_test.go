package architecture_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/netchecker/netchecker/test/architecture"
)

const (
	root   = "../.."
	module = "github.com/netchecker/netchecker/"
)

// reserved is what docs/architecture.md says below the table of server/.
var reserved = []architecture.Reserved{
	{Name: "client-go", Prefix: "k8s.io/client-go", For: []string{"server/kube", "server/pods", "server/shared", "server/events"}},
	{Name: "etcd", Prefix: "go.etcd.io/etcd", For: []string{"server/store", "server/store/embedded", "server/leader"}},
}

func TestImportsRunAsTheDocumentSays(t *testing.T) {
	for _, wrong := range architecture.Check(documented(t), reserved, imports(t)) {
		t.Errorf("docs/architecture.md: %s", wrong)
	}
}

// documented is the house of docs/architecture.md.
func documented(t *testing.T) architecture.House {
	t.Helper()
	text, err := os.ReadFile(root + "/docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(text))
}

// imports are those of the three rooms and of all that they reach in netchecker,
// tests left out.
func imports(t *testing.T) architecture.Imports {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports", "./server/...", "./agent/...", "./pkg/...")
	list.Dir, list.Stderr = root, os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	imports := make(architecture.Imports)
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return imports
		}
		if err != nil {
			t.Fatalf("reading what go list prints: %v", err)
		}
		path, own := strings.CutPrefix(p.ImportPath, module)
		if !own {
			continue
		}
		imports[path] = make([]string, len(p.Imports))
		for i, to := range p.Imports {
			imports[path][i] = strings.TrimPrefix(to, module)
		}
	}
}
