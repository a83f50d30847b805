//go:build chart

package chart_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/netchecker/netchecker/test/chart"
)

const root = "../.."

func helm(t *testing.T) chart.Helm {
	t.Helper()
	h, err := chart.NewHelm(root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// objects are manifests by "Kind/name".
type objects map[string]map[string]any

// render renders the chart with those --set settings.
func render(t *testing.T, settings ...string) objects {
	t.Helper()
	text, err := helm(t).Template(t.Context(), sets(settings)...)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, text)
}

func sets(settings []string) []string {
	var args []string
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	return args
}

// documents splits a stream of YAML.
func documents(t *testing.T, text string) [][]byte {
	t.Helper()
	var docs [][]byte
	for r := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text))); ; {
		doc, err := r.Read()
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, doc)
	}
}

func decode(t *testing.T, text string) objects {
	t.Helper()
	all := make(objects)
	for _, doc := range documents(t, text) {
		var object map[string]any
		// Strict: no key twice.
		if err := yaml.UnmarshalStrict(doc, &object); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		if object == nil {
			continue
		}
		name := fmt.Sprintf("%v/%v", object["kind"], at(object, "metadata.name"))
		if _, twice := all[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		all[name] = object
	}
	return all
}

// at follows a path such as spec.ports.0.nodePort; nil where there is nothing. A
// part in brackets is a key that has dots in it: metadata.labels.[helm.sh/chart].
func at(object any, path string) any {
	for path != "" && object != nil {
		var part string
		if key, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]"); ok && path[0] == '[' {
			part, path = key, strings.TrimPrefix(rest, ".")
		} else {
			part, path, _ = strings.Cut(path, ".")
		}
		switch o := object.(type) {
		case map[string]any:
			object = o[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(o) {
				return nil
			}
			object = o[i]
		default:
			return nil
		}
	}
	return object
}

// asJSON is a value as the tables have it; "null" where there is nothing.
func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
