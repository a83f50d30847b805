package architecture_test

import (
	"testing"

	"github.com/netchecker/netchecker/test/architecture"
)

func TestEachRowOfTheDocumentHasItsPackage(t *testing.T) {
	for _, path := range architecture.Missing(documented(t), imports(t)) {
		t.Errorf("docs/architecture.md: %s has a row, and there is no such package", path)
	}
}
