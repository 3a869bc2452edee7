package dsl

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"homellm/dsl/syntax"
)

const maxDocumentBytes = 4 << 20

// readDeclaration reads one entry of documents. The text of a synthetic one is made by the
// planner, which can count tokens.
func (d *decoder) readDeclaration(n *syntax.Node) *Document {
	doc := &Document{Pos: d.src.Pos(n), ID: d.declare("document", n, "id"), Title: d.str(n, "title")}
	text, file, synthetic := d.get(n, "text"), d.get(n, "file"), d.get(n, "synthetic")
	switch {
	case text != nil:
		doc.Source, doc.Text = "text", text.Text()
	case file != nil:
		doc.Source, doc.Text = "file", d.readDocument(file)
	case synthetic != nil:
		doc.Source = "synthetic"
		doc.Tokens = d.integer(synthetic, "tokens", 0)
		doc.Seed = int64(d.integer(synthetic, "seed", 1))
	}
	if _, taken := d.documents[doc.ID]; !taken {
		d.documents[doc.ID] = doc
	}
	return doc
}

// documentFile returns the text of a file in the scenario's folder, or reports why it cannot
// be had.
func (d *decoder) documentFile(t *tree, n *syntax.Node) (string, bool) {
	name := n.Text()
	if name == "" {
		return "", false
	}
	text, seen := t.documents[name]
	var err error
	if !seen {
		text, err = readDocumentFile(t.dir, name)
	}
	if err != nil {
		help := ""
		if errors.Is(err, fs.ErrNotExist) {
			help = "the path starts in the folder of the scenario"
			if near := syntax.Suggest(path.Base(name), neighbours(t.dir, path.Dir(name))); near != "" {
				help = near
			}
		}
		d.errorf(n, "links/file", help, "document file %q %s", name, fileProblem(err))
		return "", false
	}
	all := len(text)
	for _, other := range t.documents {
		all += len(other)
	}
	if !seen && all > maxDocumentsBytes {
		d.errorf(n, "links/file", "use fewer or shorter documents", "document file %q makes the documents larger than %d MiB together", name, maxDocumentsBytes>>20)
		return "", false
	}
	t.documents[name] = text
	return text, true
}

// readDocumentFile reads a regular UTF-8 file. That a link does not lead out of the folder is
// the file system's duty: os.Root keeps it.
func readDocumentFile(dir fs.FS, name string) (string, error) {
	if dir == nil {
		return "", errors.New("cannot be read: the scenario was not read from a folder")
	}
	if strings.Contains(name, `\`) || !fs.ValidPath(name) {
		return "", errors.New("is not a path inside the folder of the scenario: write it with forward slashes, without .. and not from the root")
	}
	data, err := readRegular(dir, name, maxDocumentBytes+1)
	switch {
	case errors.Is(err, errIrregular):
		return "", errors.New("is not a regular file")
	case err != nil:
		return "", err
	case len(data) > maxDocumentBytes:
		return "", fmt.Errorf("is larger than %d MiB", maxDocumentBytes>>20)
	case !utf8.Valid(data):
		return "", errors.New("is not UTF-8 text")
	case len(strings.TrimSpace(string(data))) == 0:
		return "", errors.New("is empty")
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	return strings.ReplaceAll(text, "\r\n", "\n"), nil
}

// fileProblem words an error of reading a document without the path, which the message has.
func fileProblem(err error) string {
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.As(err, &pe):
		return "cannot be read: " + pe.Err.Error()
	}
	return err.Error()
}

// neighbours lists the files of a folder.
func neighbours(dir fs.FS, folder string) []string {
	entries, err := fs.ReadDir(dir, folder)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
