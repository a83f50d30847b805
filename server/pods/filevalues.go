package pods

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/netchecker/netchecker/pkg/report"
)

// mapping is value as a map that has no other keys than keys.
func mapping(value any, field string, keys ...string) (map[string]any, error) {
	m, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: %s; it should be a map with the keys %s", field, told(value), strings.Join(keys, ", "))
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(keys, key) {
			return nil, fmt.Errorf("%s: unknown key %q; there are %s", field, key, strings.Join(keys, ", "))
		}
	}
	return m, nil
}

func sequence(value any, field string) ([]any, error) {
	items, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("%s: %s; it should be a list", field, told(value))
	}
	return items, nil
}

func subdomain(value any, field string) (string, error) {
	s, ok := value.(string)
	if !ok || !report.IsSubdomain(s) {
		return "", fmt.Errorf("%s: %s; it should be a DNS-1123 subdomain: at most 253 lower-case letters, digits, '-' and '.', "+
			"each part beginning and ending with a letter or digit", field, told(value))
	}
	return s, nil
}

func label(value any, field string) (string, error) {
	s, ok := value.(string)
	if !ok || !report.IsLabel(s) {
		return "", fmt.Errorf("%s: %s; it should be a DNS-1123 label: at most 63 lower-case letters, digits and '-', "+
			"beginning and ending with a letter or digit", field, told(value))
	}
	return s, nil
}

// told is how an error calls a value that is not what it should be.
func told(value any) string {
	const longest = 64
	switch v := value.(type) {
	case nil:
		return "missing"
	case string:
		if len(v) > longest {
			return fmt.Sprintf("%.*q…", longest, v)
		}
		return fmt.Sprintf("%q", v)
	case bool:
		return fmt.Sprintf("the boolean %t (quotes make it a string)", v)
	case float64:
		return fmt.Sprintf("the number %v (quotes make it a string)", v)
	case []any:
		return "a list"
	}
	return "a map"
}
