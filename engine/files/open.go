package files

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"homellm/dsl"
	"homellm/engine/exit"
	"homellm/engine/text"
)

// Walk opens every YAML file below dir whose schema line names one of the kinds; no kinds means all kinds of homellm.
func Walk(dir string, kinds ...string) ([]dsl.File, error) {
	var out []dsl.File
	paths, err := Below(dir)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "", "looking for files below %s: %w", dir, err)
	}
	for _, path := range paths {
		f, err := Open(path)
		if err != nil {
			return nil, exit.Errorf(exit.Usage, "", "looking for files below %s: %w", dir, err)
		}
		if kind := dsl.KindOf(f.Data); kind != "" && (len(kinds) == 0 || slices.Contains(kinds, kind)) {
			out = append(out, f)
		}
	}
	return out, nil
}

// Below lists the YAML files in dir and its subfolders. Folders named testdata or starting with a dot are skipped.
func Below(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != dir && (name == "testdata" || strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(name); ext == ".yaml" || ext == ".yml" {
			out = append(out, path)
		}
		return nil
	})
	return out, err
}

// Open reads a file and opens its folder, the only one from which its documents may come.
func Open(path string) (dsl.File, error) {
	f, err := dsl.OpenFile(path)
	if err != nil {
		return dsl.File{}, exit.Errorf(exit.Usage, "", "%w", err)
	}
	f.Name = filepath.ToSlash(text.Path(path))
	return f, nil
}

// mostOf limits a file that is read whole: a larger one is not a file of homellm, and could fill the memory.
const mostOf = 64 << 20

// Read reads a whole file. It does not block on a pipe without a writer, and does not read a device or a file without
// end.
func Read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	data, err := dsl.ReadRegular(f, mostOf+1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(data) > mostOf {
		return nil, fmt.Errorf("%s: more than %d MiB", path, mostOf>>20)
	}
	return data, nil
}
