package pcapfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// expand gives the files that an argument stands for. Where it is a folder or a
// pattern they are only found, not named: those that are no captures are to be
// passed over.
func expand(arg string) (paths []string, found bool, err error) {
	info, err := os.Stat(arg)
	switch {
	case err != nil && strings.ContainsAny(arg, "*?["):
		matches, err := filepath.Glob(arg)
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", arg, err)
		}
		if len(matches) == 0 {
			return nil, false, fmt.Errorf("%s: no file matches this pattern", arg)
		}
		for _, match := range matches {
			below, _, err := expand(match)
			if err != nil {
				return nil, false, err
			}
			paths = append(paths, below...)
		}
		return paths, true, nil
	case err != nil:
		return nil, false, explain(arg, err)
	case info.IsDir():
		paths, err = filesIn(nil, arg)
		return paths, true, err
	}
	return []string{arg}, false, nil
}

// filesIn appends the regular files in and below a folder, by name. Links to
// files are followed, links to folders are not, so that it ends; a link that
// leads nowhere is no capture.
func filesIn(paths []string, folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, explain(folder, err)
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		if entry.IsDir() {
			if paths, err = filesIn(paths, path); err != nil {
				return nil, err
			}
			continue
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			paths = append(paths, path)
		}
	}
	return paths, nil
}
