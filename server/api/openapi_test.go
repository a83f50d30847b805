package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestOpenAPIDescribesExactlyTheRoutes(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := yaml.Unmarshal(openapi, &doc); err != nil {
		t.Fatal(err)
	}
	var described, served []string
	for path, item := range doc.Paths {
		for method := range item {
			if method != "parameters" {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	s := &server{Config: Config{Metrics: http.NotFoundHandler(), Health: http.NotFoundHandler(), Ready: http.NotFoundHandler()}}
	for _, rt := range s.routes() {
		served = append(served, rt.method+" "+strings.Replace(rt.path, "{name:.+}", "{name}", 1))
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("openapi.yaml describes\n%s\nserved is\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}
