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

// Walk opens every YAML file below dir whose schema line names one of the kinds; no kinds
// means all of ours. Folders named testdata or starting with a dot are passed over.
func Walk(dir string, kinds ...string) ([]dsl.File, error) {
	var out []dsl.File
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
		if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" {
			return nil
		}
		f, err := Open(path)
		if err != nil {
			return err
		}
		if kind := dsl.KindOf(f.Data); kind != "" && (len(kinds) == 0 || slices.Contains(kinds, kind)) {
			out = append(out, f)
		}
		return nil
	})
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "", "looking for files below %s: %w", dir, err)
	}
	return out, nil
}

// Open reads a file and opens its folder, from which alone its documents may come.
func Open(path string) (dsl.File, error) {
	f, err := dsl.OpenFile(path)
	if err != nil {
		return dsl.File{}, exit.Errorf(exit.Usage, "", "%w", err)
	}
	f.Name = filepath.ToSlash(text.Path(path))
	return f, nil
}

// mostOf bounds a file that is read whole: a larger one is not one of our files, and could fill the memory.
const mostOf = 64 << 20

// Read reads a file whole. A pipe without a writer is not waited for, and a device or a
// file without end is not read to its end.
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
