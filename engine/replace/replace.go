// Package replace writes files that appear completely or not at all, and replace older ones.
//
// The input is a path and a function that writes the content. A reader sees the old file or the new one, never a
// part. It imports no other package of homellm.
package replace

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// File writes a file that appears completely or not at all, and replaces an older one. Only its owner may read it,
// because reports contain whole chats.
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

// Below replaces a file below a folder at once: a reader sees the old one or the new one. A link that leads out of
// the folder is an error, because it may come from someone else's commit.
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
