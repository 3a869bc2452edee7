package dsl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"homellm/dsl/syntax"
	"homellm/engine/wire"
	"homellm/schema"
)

// KindOf reads from the first key which kind of file data is: scenario, servers, models … It is empty for any other
// file. It is a quick test for commands that search folders, and checks nothing else.
func KindOf(data []byte) string {
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(strings.TrimPrefix(string(line), "\ufeff"))
		if text == "" || strings.HasPrefix(text, "#") || text == "---" {
			continue
		}
		value, ok := strings.CutPrefix(text, "schema:")
		if !ok {
			return ""
		}
		value, _, _ = strings.Cut(value, " #")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		kind, ok := strings.CutPrefix(value, "homellm.")
		kind, _, _ = strings.Cut(kind, "/")
		if !ok {
			return ""
		}
		return kind
	}
	return ""
}

// File is a file to read. Dir is the folder for a scenario's documents; it should be the file system of an os.Root,
// in which links cannot lead out of the folder. It may be nil if there are no document files.
type File struct {
	Name string // as shown to the user
	Data []byte
	Dir  fs.FS

	valid *tree // see [Valid]; nil: it is read and checked
}

// Valid returns a file that is known to match its schema, because a test checks it: it is parsed here, once for all
// libraries that are made with it, and its schema is not checked again. A file in which anything can be remarked on
// is returned as it is.
func Valid(f File) File {
	src, root, diags := syntax.Read(f.Name, f.Data)
	if root == nil || len(diags) > 0 {
		return f
	}
	t := newTree(f, src, root)
	if t.kind, diags = fileKind(t); len(diags) == 0 {
		f.valid = t
	}
	return f
}

// OpenFile reads a file of the user. It rejects anything but a regular file, and a link that leads out of the file's
// folder, because the author of the folder chose its target and not the user. Of a file that is too large it reads
// one byte more than is accepted.
func OpenFile(name string) (File, error) {
	root, err := os.OpenRoot(filepath.Dir(name)) // closed when the file is no longer used
	if err != nil {
		return File{}, fmt.Errorf("reading %s: %w", name, err)
	}
	dir := ownFolder{root}
	data, err := readRegular(dir, filepath.Base(name), syntax.MaxBytes+1)
	if err != nil {
		if _, there := os.Stat(name); there == nil && !errors.Is(err, errIrregular) {
			if info, lerr := os.Lstat(name); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
				err = errors.New("it is a link that leads out of its folder: name the file itself")
			}
		}
		return File{}, fmt.Errorf("reading %s: %w", name, err)
	}
	return File{Name: filepath.ToSlash(name), Data: data, Dir: dir}, nil
}

// ReadStream reads a file from a stream. A stream has no folder, so its documents are found relative to the current
// one. It has the size limit of a file.
func ReadStream(name string, r io.Reader) (File, error) {
	root, err := os.OpenRoot(".") // closed when the file is no longer used
	if err != nil {
		return File{}, fmt.Errorf("reading %s: %w", name, err)
	}
	data, err := io.ReadAll(io.LimitReader(r, syntax.MaxBytes+1))
	if err != nil {
		return File{}, fmt.Errorf("reading %s: %w", name, err)
	}
	return File{Name: name, Data: data, Dir: ownFolder{root}}, nil
}

// ownFolder is the folder of a file. No link leads out of it, and opening a pipe in it does not block until there is
// a writer.
type ownFolder struct{ root *os.Root }

// Open implements [fs.FS].
func (f ownFolder) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return f.root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

var errIrregular = errors.New("not a regular file")

func readRegular(dir fs.FS, name string, most int64) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	return ReadRegular(f, most)
}

// ReadRegular reads at most the given number of bytes of an open file and closes it. It rejects anything but a regular
// file: a pipe or a device may have no end.
func ReadRegular(f fs.File, most int64) ([]byte, error) {
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errIrregular
	}
	return io.ReadAll(io.LimitReader(f, most))
}

// tree is a file that was read and checked against its schema.
type tree struct {
	src       *syntax.Source
	root      *syntax.Node
	kind      string // scenario, servers, models, gates
	data      []byte
	dir       fs.FS
	documents map[string]string // document files that were read, by name
	images    map[string]wire.Image
	broken    bool // parts of it could not be read and may contain what seems to be missing
}

func newTree(f File, src *syntax.Source, root *syntax.Node) *tree {
	return &tree{src: src, root: root, data: f.Data, dir: f.Dir, documents: map[string]string{},
		images: map[string]wire.Image{}}
}

// readFile reads a file and checks its schema. The tree is nil if nothing more can be checked; a tree may come with
// errors.
func readFile(f File) (*tree, syntax.Diagnostics) {
	if f.valid != nil {
		return f.valid, nil
	}
	src, root, diags := syntax.Read(f.Name, f.Data)
	if root == nil {
		return nil, diags
	}
	t := newTree(f, src, root)
	kind, found := fileKind(t)
	diags = append(diags, found...)
	if kind == "" {
		return nil, diags
	}
	t.kind = kind
	if kind == "servers" {
		root = withoutNulls(root) // null removes a setting of the extended profile
	}
	diags = append(diags, checkSchema(root, kind, false)...)
	t.broken = diags.Errors()
	return t, diags
}

// fileKind reads what kind of file it is from its first key.
func fileKind(t *tree) (string, syntax.Diagnostics) {
	d := decoder{src: t.src}
	if t.root.Kind != syntax.MapKind {
		d.errorf(t.root, "schema/type", `the first key says what the file is, such as "schema: homellm.scenario/v1"`,
			"expected a mapping, but this is %s", t.root.Describe())
		return "", d.diags
	}
	v := t.root.Get("schema")
	var known []string
	for _, kind := range schema.Written() {
		name := "homellm." + kind + "/v1"
		if v != nil && v.Text() == name {
			if t.root.Entries[0].Key != "schema" {
				d.errorf(t.root.Find("schema").At(), "schema/first-key", "move it to the top", "schema must be the first key")
			}
			return kind, d.diags
		}
		known = append(known, name)
	}
	help := "write one of: " + strings.Join(known, ", ")
	switch v {
	case nil:
		help = "the first line is one of: schema: " + strings.Join(known, ", schema: ")
		for _, e := range t.root.Entries {
			kind := map[string]string{"servers": "servers", "models": "models", "templates": "models",
				"conversations": "scenario", "compare": "gates"}[e.Key]
			switch {
			case syntax.Nearest(e.Key, []string{"schema"}) != "":
				help = fmt.Sprintf("write schema in place of %s", e.Key)
			case kind != "":
				help = fmt.Sprintf("the first line of a file with %s is: schema: homellm.%s/v1", e.Key, kind)
			}
		}
		d.errorf(firstKey(t.root), "schema/kind", help,
			`key "schema" is missing, so the kind of this file is not known`)
	default:
		if near := syntax.Suggest(v.Text(), known); near != "" {
			help = near
		} else if whole := "homellm." + strings.ToLower(v.Text()) + "/v1"; slices.Contains(known, whole) {
			help = syntax.Meant([]string{whole})
		}
		d.errorf(v, "schema/kind", help, "%s is not a kind of file", v.Describe())
	}
	return "", d.diags
}

// withoutNulls returns a tree without the keys that are written with null.
func withoutNulls(n *syntax.Node) *syntax.Node {
	out := *n
	out.Items, out.Entries = nil, nil
	for _, item := range n.Items {
		out.Items = append(out.Items, withoutNulls(item))
	}
	for _, e := range n.Entries {
		if e.Node.Kind != syntax.NullKind {
			e.Node = withoutNulls(e.Node)
			out.Entries = append(out.Entries, e)
		}
	}
	return &out
}
