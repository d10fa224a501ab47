package capture_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/authtap/authtap"
	root   = ".."
)

// goFile is a file of the module, by the folder of its package.
type goFile struct {
	path, folder string
	test         bool
	syntax       *ast.File
}

// goFiles parses all files of the module below the given folders.
func goFiles(t *testing.T, fset *token.FileSet, folders ...string) (files []goFile) {
	t.Helper()
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if base := d.Name(); base == "testdata" || base != ".." && strings.HasPrefix(base, ".") {
					return fs.SkipDir
				}
				return nil
			}
			if !strings.HasSuffix(name, ".go") {
				return nil
			}
			syntax, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution|parser.ParseComments)
			if err != nil {
				return err
			}
			inModule, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			inModule = filepath.ToSlash(inModule)
			files = append(files, goFile{inModule, path.Dir(inModule), strings.HasSuffix(name, "_test.go"), syntax})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(files) == 0 {
		t.Fatalf("no Go files below %v", folders)
	}
	return files
}

func imports(t *testing.T, f *ast.File) (paths []string) {
	t.Helper()
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

// within says whether a folder is one of those, or below it.
func within(folder string, of ...string) bool {
	for _, o := range of {
		if folder == o || strings.HasPrefix(folder, o+"/") {
			return true
		}
	}
	return false
}
