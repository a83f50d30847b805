package declared_test

import (
	"encoding/json"
	"testing"

	"github.com/netchecker/netchecker/server/declared"
)

func TestErrorsNameTheFieldAndWhatItShouldBe(t *testing.T) {
	type item struct {
		Name string            `json:"name"`
		Many int               `json:"many"`
		Is   bool              `json:"is"`
		List []int             `json:"list"`
		Map  map[string]string `json:"map"`
	}
	for text, want := range map[string]string{
		"name: 1":      "items[0].name: a number; it should be a string (quotes make it one)",
		"many: a":      "items[0].many: a string; it should be a whole number",
		"many: 1.5":    "items[0].many: a number 1.5; it should be a whole number",
		"is: yep":      "items[0].is: a string; it should be true or false",
		"list: {}":     "items[0].list: a map; it should be a list",
		"map: []":      "items[0].map: a list; it should be a map",
		"names: a":     `items[0]: unknown field "names"`,
		"Name: a":      `items[0]: unknown field "Name"`,
		"{a: 1, a: 2}": `yaml: unmarshal errors: line 1: key "a" already set in map`,
		"name: a":      "",
	} {
		got := ""
		plain, err := declared.JSON([]byte(text))
		if err == nil {
			_, err = declared.DecodeEach[item]([]json.RawMessage{plain}, "items")
		}
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
}
