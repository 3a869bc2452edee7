package dsl

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"homellm/dsl/syntax"
)

// The defaults of how a corpus is cut, and the limit on its files. The schema states the same defaults.
const (
	defaultChunkTokens  = 300
	defaultChunkOverlap = 50

	maxCorpusFiles = 1000
)

// readCorpora reads the declarations of corpora.
func (d *decoder) readCorpora(list []*syntax.Node) []*Corpus {
	var out []*Corpus
	for _, n := range list {
		chunk := d.get(n, "chunk")
		c := &Corpus{
			Pos:     d.src.Pos(n),
			ID:      d.declare("document", n, "id"),
			Tokens:  d.integer(chunk, "tokens", defaultChunkTokens),
			Overlap: d.integer(chunk, "overlap", -1),
			place:   d.place(d.get(n, "files")),
		}
		if c.Overlap < 0 {
			c.Overlap = min(defaultChunkOverlap, c.Tokens/2)
		}
		if c.Overlap > c.Tokens/2 {
			d.errorf(d.get(chunk, "overlap"), "links/corpus", fmt.Sprintf("write %d or less, or larger chunks", c.Tokens/2),
				"chunks of %d tokens cannot repeat %d of the chunk before: at most half of them", c.Tokens, c.Overlap)
		}
		c.Files = d.corpusFiles(d.list(n, "files"))
		if _, taken := d.corpora[c.ID]; !taken && c.ID != "" {
			d.corpora[c.ID] = c
		}
		out = append(out, c)
	}
	for _, doc := range keys(d.documents) {
		if c := d.corpora[corpusOf(doc)]; c != nil {
			d.errorf(d.declared["document"][doc], "links/duplicate", "give it another name",
				"document %q has the name of a chunk of corpus %q", doc, c.ID)
		}
	}
	return out
}

// corpusFiles reads the files that patterns match, each once, in the order of the patterns and of their names.
func (d *decoder) corpusFiles(patterns []*syntax.Node) []CorpusFile {
	var out []CorpusFile
	for _, n := range patterns {
		names, err := d.match(n.Text())
		if err != nil {
			d.errorf(n, "links/file", "", "%q %v", n.Text(), err)
			continue
		}
		if len(out)+len(names) > maxCorpusFiles {
			d.errorf(n, "links/corpus", "split the corpus, or name fewer files",
				"%q makes more than %d files of a corpus", n.Text(), maxCorpusFiles)
			continue
		}
		for _, name := range names {
			if slices.ContainsFunc(out, func(f CorpusFile) bool { return f.Name == name }) {
				continue
			}
			one := *n // so that what is wrong with the file is reported at its pattern
			one.Scalar = name
			if text := d.readDocument("corpus", &one); text != "" {
				out = append(out, CorpusFile{name, text})
			}
		}
	}
	return out
}

// matchFiles lists the files of a folder that a pattern matches, in the order of their names. A pattern without * ? or
// [ is the name of one file, which need not exist.
func matchFiles(dir fs.FS, pattern string) ([]string, error) {
	switch {
	case pattern == "" || !strings.ContainsAny(pattern, `*?[`):
		return []string{pattern}, nil
	case dir == nil:
		return nil, errors.New("cannot be read: the scenario was not read from a folder")
	case strings.Contains(pattern, `\`) || !fs.ValidPath(pattern):
		return nil, errors.New("is not a path inside the folder of the scenario: write it with forward slashes, without .. " +
			"and not from the root")
	case strings.Contains(pattern, "**"):
		return nil, errors.New("has **, which is not a pattern here: name each folder, as in [docs/*.md, docs/more/*.md]")
	}
	found, err := fs.Glob(dir, pattern)
	if errors.Is(err, path.ErrBadPattern) {
		return nil, errors.New("is not a pattern: a [ has no ], or a range in it is empty")
	}
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(name string) bool {
		info, err := fs.Stat(dir, name)
		return err == nil && info.IsDir()
	})
	if len(found) == 0 {
		return nil, errors.New("matches no file in the folder of the scenario")
	}
	return found, nil
}

// corpus returns the corpus that a value names. It reports an undeclared one, and returns nil then.
func (d *decoder) corpus(n *syntax.Node) *Corpus {
	if n == nil || n.Kind != syntax.StringKind {
		return nil
	}
	c := d.corpora[n.Text()]
	if c == nil {
		help := "declare it in `corpora:`"
		if len(d.corpora) > 0 {
			help = syntax.SuggestOr(n.Text(), keys(d.corpora), "declared corpora")
		}
		d.errorf(n, "links/document", help, "corpus %q is not declared", n.Text())
		return nil
	}
	d.used[c.ID] = true
	return c
}

// expected finds what a retrieval is expected to bring: a file of the corpus, by its path, its name, or its name
// without the extension, or a chunk by its id.
func (d *decoder) expected(c *Corpus, n *syntax.Node) (name string, ok bool) {
	var found, near []string
	for _, f := range c.Files {
		base := path.Base(f.Name)
		stem := strings.TrimSuffix(base, path.Ext(base))
		if slices.Contains([]string{f.Name, base, stem}, n.Text()) {
			found = append(found, f.Name)
		}
		near = append(near, stem)
	}
	switch {
	case len(found) == 1:
		return found[0], true
	case len(found) > 1:
		d.errorf(n, "links/corpus", "write the whole path", "%q may be %s", n.Text(), strings.Join(found, " or "))
	case corpusOf(n.Text()) == c.ID:
		return n.Text(), true
	case len(c.Files) > 0:
		d.errorf(n, "links/corpus", syntax.SuggestOr(n.Text(), near, "files"), "corpus %q has no file %q", c.ID, n.Text())
	}
	return "", false
}

// place is a finding at a value, without what was found.
func (d *decoder) place(n *syntax.Node) syntax.Diagnostic {
	g := syntax.Diagnostic{Pos: d.src.Pos(n)}
	if n != nil {
		g.EndCol, g.Source = n.End, d.src.Of(n).Line(n.Line)
	}
	return g
}
