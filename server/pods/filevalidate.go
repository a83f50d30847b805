package pods

import (
	"cmp"
	"maps"
	"math"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/netchecker/netchecker/pkg/report"
)

// Validate returns an error that names the first field that is wrong, and what it
// should be.
func (f *fileFormat) Validate() error {
	agents, nodes := field.NewPath("agents"), field.NewPath("nodes")
	if f.Agents == nil {
		return field.Required(agents, "it should be a list of agents, which may be empty")
	}
	if err := validateEach(agents, f.Agents, fileAgent.validate, fileAgent.id); err != nil {
		return err
	}
	if err := validateEach(nodes, f.Nodes, fileNode.validate, fileNode.id); err != nil {
		return err
	}
	return nil
}

// validateEach validates the items of the list at path, none of which may be there
// twice.
func validateEach[T any](path *field.Path, items []T, validate func(T, *field.Path) *field.Error, id func(T) string) *field.Error {
	ids := make(map[string]struct{}, len(items))
	for i, item := range items {
		at := path.Index(i)
		if err := validate(item, at); err != nil {
			return err
		}
		name := id(item)
		if _, twice := ids[name]; twice {
			return field.Duplicate(at.Child("name"), name)
		}
		ids[name] = struct{}{}
	}
	return nil
}

func (a fileAgent) id() string { return a.Namespace + "/" + a.Name }

func (a fileAgent) validate(path *field.Path) *field.Error {
	return cmp.Or(
		named(path.Child("name"), a.Name, validation.IsDNS1123Subdomain),
		named(path.Child("node"), a.Node, validation.IsDNS1123Subdomain),
		named(path.Child("namespace"), a.Namespace, validation.IsDNS1123Label),
		network(path.Child("network"), a.Network),
		addresses(path.Child("addresses"), a.Addresses),
		port(path.Child("meshPort"), a.MeshPort),
	)
}

func (n fileNode) id() string { return n.Name }

func (n fileNode) validate(path *field.Path) *field.Error {
	return cmp.Or(
		named(path.Child("name"), n.Name, validation.IsDNS1123Subdomain),
		valid(path.Child("zone"), n.Zone, validation.IsValidLabelValue),
		labels(path.Child("labels"), n.Labels),
	)
}

// named says what is wrong with a name, which has to be there.
func named(path *field.Path, name string, rule func(string) []string) *field.Error {
	if wrong := rule(name); name == "" && len(wrong) > 0 {
		return field.Required(path, wrong[0])
	}
	return valid(path, name, rule)
}

func valid(path *field.Path, value string, rule func(string) []string) *field.Error {
	if wrong := rule(value); len(wrong) > 0 {
		return field.Invalid(path, begin(value), wrong[0])
	}
	return nil
}

func network(path *field.Path, n report.Network) *field.Error {
	if n == report.Pod || n == report.Host {
		return nil
	}
	return field.NotSupported(path, begin(string(n)), []report.Network{report.Pod, report.Host})
}

// port says what is wrong with one that may be left out.
func port(path *field.Path, n int) *field.Error {
	if n < 0 || n > math.MaxUint16 {
		return field.Invalid(path, n, "it should be from 1 to 65535, or be left out")
	}
	return nil
}

func addresses(path *field.Path, all []string) *field.Error {
	for i, address := range all {
		if ip, err := netip.ParseAddr(address); err != nil || ip.Zone() != "" {
			return field.Invalid(path.Index(i), begin(address), "it should be an IP address")
		}
	}
	return nil
}

func labels(path *field.Path, all map[string]string) *field.Error {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		at := path.Key(begin(key))
		err := cmp.Or(valid(at, key, validation.IsQualifiedName), valid(at, all[key], validation.IsValidLabelValue))
		if err != nil {
			return err
		}
	}
	return nil
}

// begin is as much of a value as errors tell.
func begin(value string) string {
	const longest = 64
	if len(value) > longest {
		return value[:longest] + "…"
	}
	return value
}
