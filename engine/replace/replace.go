// Package replace writes files that appear whole or not at all, in the place of older ones.
//
// In come a path and what writes the content. A reader sees the old file or the new one, never a part. It is a leaf
// and knows nothing of what it writes.
package replace

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// File writes a file that appears whole or not at all, in the place of an older one. Only its owner may read it:
// reports hold whole chats.
func File(path string, write func(io.Writer) error) (err error) {
	t, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(t.Name()))
		}
	}()
	err = errors.Join(write(t), t.Sync(), t.Close())
	if err != nil {
		return err
	}
	return os.Rename(t.Name(), path)
}

// Below replaces a file below a folder at once: a reader sees the old one or the new one. A link that leads
// out of the folder is an error: it may have come with a stranger's commit.
func Below(folder, path string, data []byte) error {
	name, err := filepath.Rel(folder, path)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	draft := name + ".new"
	defer func() { _ = root.Remove(draft) }() // gone already if all went well
	if err := root.WriteFile(draft, data, 0o644); err != nil {
		return err
	}
	return root.Rename(draft, name)
}
