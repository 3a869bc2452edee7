package baseline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"homellm/engine/compare"
	"homellm/engine/exit"
	"homellm/engine/files"
	"homellm/schema"
)

// Read reads and checks a baseline file.
func Read(path string) (*compare.Baseline, error) {
	data, err := files.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, exit.Errorf(exit.Usage, "homellm baseline list shows those there are", "%w", err)
	}
	if err != nil {
		return nil, exit.Errorf(exit.Environment, "", "%w", err)
	}
	corrupt := func(err error) error {
		return exit.Errorf(exit.Invalid, "record it again: homellm baseline record RUN", "%s: %w", path, err)
	}
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, corrupt(fmt.Errorf("not a baseline: %w", err))
	}
	if problems := schema.Validate("baseline", doc); len(problems) > 0 {
		where := strings.Join(problems[0].Path, ".")
		if where != "" {
			where += ": "
		}
		return nil, corrupt(fmt.Errorf("not a baseline: %s%s", where, problems[0].Message))
	}
	b, err := compare.ReadBaseline(data)
	if err != nil {
		return nil, corrupt(err)
	}
	return b, nil
}

// Listed is a baseline and its file.
type Listed struct {
	Path     string
	Baseline *compare.Baseline
}

// List reads the baselines below a folder. Unreadable ones are listed as broken.
func List(dir string) (found []Listed, broken []error, err error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, nil, exit.Errorf(exit.Usage, "homellm baseline record RUN writes the first one", "%w", err)
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		b, err := Read(path)
		if err != nil {
			broken = append(broken, err)
			return nil
		}
		found = append(found, Listed{path, b})
		return nil
	})
	if err != nil {
		return nil, nil, exit.Errorf(exit.Environment, "", "looking for baselines: %w", err)
	}
	return found, broken, nil
}
