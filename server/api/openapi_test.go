package api

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/netchecker/netchecker/server/diagnose"
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
	served = slices.Compact(served) // two paths may be described as one
	if !slices.Equal(described, served) {
		t.Errorf("openapi.yaml describes\n%s\nserved is\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}

func TestOpenAPIDescribesExactlyWhatTheAnswersOfMeshAndFindingsHave(t *testing.T) {
	type schema struct {
		Required   []string          `json:"required"`
		Properties map[string]schema `json:"properties"`
		Items      *schema           `json:"items"`
	}
	var doc struct {
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
	}
	if err := yaml.Unmarshal(openapi, &doc); err != nil {
		t.Fatal(err)
	}
	all := doc.Components.Schemas
	for name, row := range map[string]struct {
		schema schema
		is     any
	}{
		"Mesh":                   {all["Mesh"], meshAnswer{}},
		"Mesh.heard":             {*all["Mesh"].Properties["heard"].Items, meshHeard{}},
		"MeshCell":               {all["MeshCell"], meshCell{}},
		"MeshCell.round_trip_ms": {all["MeshCell"].Properties["round_trip_ms"], spread{}},
		"MeshCell.tcp":           {all["MeshCell"].Properties["tcp"], meshTCP{}},
		"MeshCell.size":          {all["MeshCell"].Properties["size"], meshSize{}},
		"MeshShared":             {all["MeshShared"], meshShared{}},
		"MeshAgent":              {all["MeshAgent"], meshAgent{}},
		"Findings":               {all["Findings"], foundAnswer{}},
		"Finding":                {all["Finding"], shownFinding{}},
		"Subject":                {all["Subject"], shownSubject{}},
		"Evidence":               {all["Evidence"], diagnose.Count{}},
	} {
		var properties []string
		for p := range row.schema.Properties {
			properties = append(properties, p)
		}
		has, always := fieldsOf(reflect.TypeOf(row.is))
		if slices.Sort(properties); !slices.Equal(properties, has) {
			t.Errorf("%s: openapi.yaml describes %q, and there are %q", name, properties, has)
		}
		if slices.Sort(row.schema.Required); !slices.Equal(row.schema.Required, always) {
			t.Errorf("%s: openapi.yaml says that there are always %q, and that are %q", name, row.schema.Required, always)
		}
	}
}

// fieldsOf are the keys of a struct's fields in JSON, and those that are never left out,
// in order.
func fieldsOf(of reflect.Type) (all, always []string) {
	for i := range of.NumField() {
		key, options, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		all = append(all, key)
		if options == "" {
			always = append(always, key)
		}
	}
	slices.Sort(all)
	slices.Sort(always)
	return all, always
}
