package hub

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
)

// paths returns the paths of the files and links in a commit's snapshot that can be listed, and why others cannot.
func (c Cache) paths(repo, commit string) (paths []string, failed error) {
	_ = fs.WalkDir(os.DirFS(c.Snapshot(repo, commit)), ".", func(p string, d fs.DirEntry, err error) error {
		if failed = cmp.Or(failed, err); err == nil && !d.IsDir() {
			paths = append(paths, p)
		}
		return nil
	})
	return paths, failed
}

// Files returns the files in a commit's snapshot, without those that cannot be read.
func (c Cache) Files(repo, commit string) (files []File) {
	if commit == "" {
		return nil
	}
	paths, _ := c.paths(repo, commit)
	for _, p := range paths {
		link := c.link(repo, commit, p)
		if info, err := os.Stat(link); err == nil && info.Mode().IsRegular() {
			files = append(files, File{p, info.Size(), hashOfName(link)})
		}
	}
	return files
}

// Present returns those of the promised files that are in a commit's snapshot, and the paths of the others.
func (c Cache) Present(repo, commit string, promised []File) (present []File, missing []string) {
	here := c.Files(repo, commit)
	for _, want := range promised {
		if f, ok := find(here, want.Path); ok && f.contradicts(want) == "" {
			present = append(present, f)
		} else {
			missing = append(missing, want.Path)
		}
	}
	return present, missing
}

// Interrupted returns the files of a repository whose downloads were interrupted, with the bytes that have arrived.
func (c Cache) Interrupted(repo string) (files []File) {
	blobs, _ := os.ReadDir(c.blob(repo, ""))
	for _, b := range blobs {
		path, err := os.ReadFile(c.blob(repo, b.Name()) + pathSuffix)
		info, gone := b.Info()
		if err == nil && gone == nil {
			files = append(files, File{Path: string(path), Bytes: info.Size()})
		}
	}
	return files
}

// hashOfName returns the hash in the name of the file that a link leads to; "" if there is none.
func hashOfName(link string) string {
	target, _ := os.Readlink(link)
	if name := filepath.Base(target); hashName.MatchString(name) {
		return name
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
