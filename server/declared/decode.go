package declared

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	strictjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// JSON returns the YAML text as JSON, which it may be as well. A key that is there
// twice is an error.
func JSON(text []byte) ([]byte, error) {
	plain, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	return plain, nil
}

// Decode decodes the JSON of a field; empty means the whole file. It refuses what
// encoding/json would read over: unknown fields, and names in another case.
func Decode(text []byte, field string, value any) error {
	unknown, err := strictjson.UnmarshalStrict(text, value)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		at := strings.Trim(field+"."+wrong.Field, ".")
		return fmt.Errorf("%s: %s; it should be %s", cmp.Or(at, "the file"), found(wrong.Value), wanted(wrong.Type.Kind()))
	case err != nil:
		return err
	case len(unknown) > 0:
		return fmt.Errorf("%s: %w", cmp.Or(field, "the file"), unknown[0])
	}
	return nil
}

// DecodeEach decodes the items of a list, which is nil where it is missing.
func DecodeEach[T any](items []json.RawMessage, list string) ([]T, error) {
	if items == nil {
		return nil, nil
	}
	values := make([]T, len(items))
	for i, item := range items {
		if err := Decode(item, fmt.Sprintf("%s[%d]", list, i), &values[i]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// found is one of JSON's kinds of values, as YAML calls it. A number that does not fit
// comes with its digits.
func found(kind string) string {
	kind, digits, _ := strings.Cut(kind, " ")
	name := map[string]string{
		"object": "a map", "array": "a list", "string": "a string", "number": "a number", "bool": "a boolean",
	}[kind]
	return strings.TrimSpace(name + " " + digits)
}

func wanted(kind reflect.Kind) string {
	switch kind {
	case reflect.String:
		return "a string (quotes make it one)"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	}
	return "a map"
}
