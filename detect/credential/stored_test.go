package credential_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Stored takes any text, so that nothing but a store may call it: traffic
// reaches no store but in findings.
func TestStoredIsForStores(t *testing.T) {
	const root = "../.."
	var callers int
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.Contains(string(source), "credential.Stored") {
			return nil
		}
		callers++
		if !strings.HasPrefix(path, filepath.Join(root, "store")+string(filepath.Separator)) {
			t.Errorf("%s calls credential.Stored", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if callers == 0 {
		t.Error("no store was found: the test looks in the wrong place")
	}
}
