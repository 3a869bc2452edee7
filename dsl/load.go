package dsl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"homellm/dsl/syntax"
	"homellm/schema"
)

// File is a file to read. Dir is the folder that a scenario's documents are looked up in; it
// should be the file system of an os.Root, which does not let links lead out of the folder. It
// may be nil where there are no document files.
type File struct {
	Name string // as shown to the user
	Data []byte
	Dir  fs.FS
}

// OpenFile reads a file of the user. It refuses what is not a regular file, and a link that leads
// out of the file's folder: whoever wrote the folder, and not the user, has chosen where to. Of a
// file that is larger than any that is accepted it reads no more than shows that.
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

// ownFolder is the folder of a file. No link leads out of it, and opening a pipe in it does not wait
// for a writer.
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

// ReadRegular reads at most so many bytes of an open file and closes it. It refuses what is no
// regular file, such as a pipe or a device, which may have no end.
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

// tree is a file that has been read and held against its schema.
type tree struct {
	src       *syntax.Source
	root      *syntax.Node
	kind      string // scenario, servers, models, gates
	data      []byte
	dir       fs.FS
	documents map[string]string // document files that were read, by name
	broken    bool              // parts of it could not be read: what seems to be missing may be in them
}

// readFile reads a file as far as its schema goes. The tree is nil if there is nothing that
// could be looked at any further; a tree may well come with errors.
func readFile(f File) (*tree, syntax.Diagnostics) {
	src, root, diags := syntax.Read(f.Name, f.Data)
	if root == nil {
		return nil, diags
	}
	t := &tree{src: src, root: root, data: f.Data, dir: f.Dir, documents: map[string]string{}}
	kind, found := fileKind(t)
	diags = append(diags, found...)
	if kind == "" {
		return nil, diags
	}
	t.kind = kind
	if kind == "servers" {
		root = withoutNulls(root) // null removes a setting of the profile that is extended
	}
	diags = append(diags, checkSchema(root, kind, false)...)
	t.broken = diags.Errors()
	return t, diags
}

// fileKind reads what kind of file it is from its first key.
func fileKind(t *tree) (string, syntax.Diagnostics) {
	d := decoder{src: t.src}
	if t.root.Kind != syntax.MapKind {
		d.errorf(t.root, "schema/type", `the first key says what the file is, such as "schema: homellm.scenario/v1"`, "expected a mapping, but this is %s", t.root.Describe())
		return "", d.diags
	}
	v := t.root.Get("schema")
	var known []string
	for _, kind := range schema.Kinds() {
		if slices.Contains([]string{"result", "baseline", "compare"}, kind) {
			continue // written, never read as a file of the user
		}
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
		d.errorf(firstKey(t.root), "schema/kind", "the first line is one of: schema: "+strings.Join(known, ", schema: "), `key "schema" is missing, so the kind of this file is not known`)
	default:
		if near := syntax.Suggest(v.Text(), known); near != "" {
			help = near
		}
		d.errorf(v, "schema/kind", help, "%s is not a kind of file", v.Describe())
	}
	return "", d.diags
}

// firstKey returns the first key of a mapping as a value, or the mapping if it is empty.
func firstKey(n *syntax.Node) *syntax.Node {
	if n.Kind == syntax.MapKind && len(n.Entries) > 0 {
		return n.Entries[0].At()
	}
	return n
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

// checkSchema holds a tree against the schema of its kind. With substituted, only values that
// were made by a substitution are reported: the others have been looked at before.
func checkSchema(root *syntax.Node, kind string, substituted bool) syntax.Diagnostics {
	d := decoder{src: root.Src}
	problems := schema.Validate(kind, root.Plain())
	for i, p := range problems {
		n := root.Locate(p.Path)
		if n == nil || n.Unread || substituted && n.Reference == "" || typo(p, problems) {
			continue
		}
		if p.Rule == "missing-key" {
			if i > 0 && problems[i-1].Rule == p.Rule && slices.Equal(problems[i-1].Path, p.Path) && !typo(problems[i-1], problems) {
				continue // said together with the first
			}
			p = missingKeys(problems[i:], problems)
		}
		if kind == "scenario" && len(p.Path) == 0 && p.Rule == "unknown-key" && slices.Contains([]string{"servers", "models", "templates"}, p.Key) {
			p.Help = fmt.Sprintf("put it into a file of its own, with schema: homellm.%s/v1", strings.Replace(p.Key, "templates", "models", 1))
		}
		d.problem(n, p)
	}
	return d.diags
}

// missingKeys joins the missing keys of one mapping; the first of them is the first problem of rest.
func missingKeys(rest, all []schema.Problem) schema.Problem {
	p := rest[0]
	p.Missing = nil
	for _, o := range rest {
		if o.Rule == p.Rule && slices.Equal(o.Path, p.Path) && !typo(o, all) {
			p.Missing = append(p.Missing, o.Missing...)
		}
	}
	if len(p.Missing) > 1 {
		p.Help = ""
		p.Message = fmt.Sprintf("these keys are missing: %s", strings.Join(p.Missing, ", "))
	}
	return p
}

// typo reports whether a key is missing only because it is misspelt, which is said already.
func typo(p schema.Problem, all []schema.Problem) bool {
	return len(p.Missing) > 0 && slices.ContainsFunc(all, func(o schema.Problem) bool {
		return o.Rule == "unknown-key" && slices.Equal(o.Path, p.Path) && syntax.Nearest(o.Key, p.Missing) != ""
	})
}

func (d *decoder) problem(n *syntax.Node, p schema.Problem) {
	at := n
	written := n.Text()
	switch {
	case p.Key != "":
		written = p.Key
		if e := n.Find(p.Key); e != nil {
			at = e.At()
		}
	case len(p.Missing) > 0:
		at = firstKey(n)
	}
	help := p.Help
	if near := syntax.Suggest(written, p.Known); near != "" {
		help = near
	} else if help == "" && p.Rule == "unknown-key" {
		help = "possible keys: " + strings.Join(p.Known, ", ")
	}
	message := p.Message
	if n.Reference != "" {
		message = fmt.Sprintf("%s (from %s)", message, n.Reference)
	}
	if p.Rule == "type" && len(p.Path) > 0 && p.Path[len(p.Path)-1] == "api_key" {
		help = "write {env: NAME} or {file: PATH}: a key never stands in a file"
		message = "expected a mapping, but this is " + n.Kind.String()
	}
	d.errorf(at, "schema/"+p.Rule, help, "%s", withoutSecret(message))
	last := &d.diags[len(d.diags)-1]
	if n.Kind == syntax.StringKind && strings.Contains(help, "{env: NAME}") {
		last.Source = strings.ReplaceAll(last.Source, n.Text(), stars(n.Text()))
	}
	if n.Kind == syntax.StringKind && len(p.Path) > 0 && p.Path[len(p.Path)-1] == "url" {
		masked := inAddress.ReplaceAllStringFunc(n.Text(), func(m string) string {
			user, ok := strings.CutSuffix(m, "@")
			return stars(user) + map[bool]string{true: "@"}[ok]
		})
		last.Source, last.Message = strings.ReplaceAll(last.Source, n.Text(), masked), strings.ReplaceAll(last.Message, n.Text(), masked)
	}
	last.Source = withoutSecret(last.Source)
}

// inAddress is where the address of a server may hold a key, and may not.
var inAddress = regexp.MustCompile(`[^/\s"'@]*@|[?#%].*`)

func stars(s string) string { return strings.Repeat("*", len([]rune(s))) }

var credentials = regexp.MustCompile(`://[^/\s"'@]*@`)

// misplaced is a key that is written where only its place should be named.
var misplaced = regexp.MustCompile(`(?i)((?:api_?key|password|secret)["']?\s*:\s*)[^\s{,}][^\n,}]*`)

// withoutSecret masks the user and password of a URL, which has no place in a log, with as many
// characters as it had.
func withoutSecret(s string) string {
	s = misplaced.ReplaceAllStringFunc(s, func(m string) string {
		key := misplaced.FindStringSubmatch(m)[1]
		return key + strings.Repeat("*", len([]rune(m))-len([]rune(key)))
	})
	return credentials.ReplaceAllStringFunc(s, func(m string) string {
		return "://" + strings.Repeat("*", len([]rune(m))-4) + "@"
	})
}
