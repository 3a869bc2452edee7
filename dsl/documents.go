package dsl

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"homellm/dsl/syntax"
)

// The limits on document files.
const (
	maxDocumentBytes  = 4 << 20
	maxDocumentsBytes = 64 << 20 // of all together
)

// readDeclaration reads one entry of documents. The planner, which can count tokens, writes the text of a synthetic
// one.
func (d *decoder) readDeclaration(n *syntax.Node) *Document {
	doc := &Document{Pos: d.src.Pos(n), ID: d.declare("document", n, "id"), Title: d.str(n, "title")}
	text, file, synthetic := d.get(n, "text"), d.get(n, "file"), d.get(n, "synthetic")
	switch {
	case text != nil:
		doc.Source, doc.Text = "text", text.Text()
	case file != nil:
		doc.Source, doc.Text = "file", d.readDocument("document", file)
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

// documentFile returns the text of a file in the scenario's folder, or reports why it cannot be read. What says what
// the file holds.
func (d *decoder) documentFile(t *tree, what string, n *syntax.Node) (string, bool) {
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
		d.errorf(n, "links/file", nearFile(t, name, err), "%s file %q %s", what, name, fileProblem(err))
		return "", false
	}
	all := len(text)
	for _, other := range t.documents {
		all += len(other)
	}
	if !seen && all > maxDocumentsBytes {
		d.errorf(n, "links/file", "use fewer or shorter documents",
			"%s file %q makes the documents larger than %d MiB together", what, name, maxDocumentsBytes>>20)
		return "", false
	}
	t.documents[name] = text
	return text, true
}

// readDocumentFile reads a regular UTF-8 file.
func readDocumentFile(dir fs.FS, name string) (string, error) {
	data, err := readInside(dir, name, maxDocumentBytes)
	switch {
	case err != nil:
		return "", err
	case !utf8.Valid(data):
		return "", errors.New("is not UTF-8 text")
	case len(strings.TrimSpace(string(data))) == 0:
		return "", errors.New("is empty")
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	return strings.ReplaceAll(text, "\r\n", "\n"), nil
}

// readInside reads a regular file in the scenario's folder, up to a maximum size. The file system must not follow links
// out of the folder, as with os.Root.
func readInside(dir fs.FS, name string, most int64) ([]byte, error) {
	if dir == nil {
		return nil, errors.New("cannot be read: the scenario was not read from a folder")
	}
	if strings.Contains(name, `\`) || !fs.ValidPath(name) {
		return nil, errors.New("is not a path inside the folder of the scenario: write it with forward slashes, without .. " +
			"and not from the root")
	}
	data, err := readRegular(dir, name, most+1)
	switch {
	case errors.Is(err, errIrregular):
		return nil, errors.New("is not a regular file")
	case err != nil:
		return nil, err
	case int64(len(data)) > most:
		return nil, fmt.Errorf("is larger than %d MiB", most>>20)
	}
	return data, nil
}

// nearFile is the hint for a file that cannot be read.
func nearFile(t *tree, name string, err error) string {
	if !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if near := syntax.Suggest(path.Base(name), neighbours(t.dir, path.Dir(name))); near != "" {
		return near
	}
	return "the path starts in the folder of the scenario"
}

// fileProblem describes an error of reading a document without the path, which the message has.
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

// syntheticText returns prose of an exact length: according to count, it has the given number of tokens. The same
// seed, tokens and count give the same text; texts of different seeds differ from the first sentence on. If count
// skips the number (one more character is two more tokens), the text is shorter by as little as possible.
//
// The sentences are grammatical nonsense from a fixed list of everyday words, which every vocabulary has, so that the
// length is about the same in all of them.
func syntheticText(seed int64, tokens int, count func(string) int) string {
	if tokens <= 0 {
		return ""
	}
	w := prose{rng: rand.New(rand.NewPCG(uint64(seed), 0x9e3779b97f4a7c15))}
	var text string
	n := 0
	for size := 6*tokens + 64; ; size *= 2 {
		for w.b.Len() < size {
			w.sentence()
		}
		text = w.b.String()
		if n = count(text); n > tokens {
			break
		}
		if size > 64*(tokens+64) { // no tokenizer makes one token of 64 letters of prose
			return text
		}
	}
	return longest(text, n, tokens, count)
}

// longest returns the longest beginning of a text that has at most the given number of tokens; the whole text has n,
// which are more. Counting a long text is slow, so the end is found by interpolation between ends of words, most of
// which are one token.
func longest(text string, n, tokens int, count func(string) int) string {
	ends := []int{0}
	for i := 1; i < len(text); i++ {
		if text[i] == ' ' || text[i] == '\n' && text[i-1] != '\n' {
			ends = append(ends, i)
		}
	}
	ends = append(ends, len(text))
	low, atLow, high, atHigh := 0, 0, len(ends)-1, n
	for step := 0; high-low > 1; step++ {
		mid := low + (high-low)*(tokens-atLow)/(atHigh-atLow)
		if step%4 == 3 {
			mid = (low + high) / 2 // bisect, so that the search ends for any counts
		}
		mid = min(max(mid, low+1), high-1)
		switch at := count(text[:ends[mid]]); {
		case at == tokens:
			return text[:ends[mid]]
		case at < tokens:
			low, atLow = mid, at
		default:
			high, atHigh = mid, at
		}
	}
	// The next word is too long: part of it may fit.
	best, atBest := text[:ends[low]], atLow
	for i := ends[low] + 1; i < ends[high] && atBest != tokens; i++ {
		if at := count(text[:i]); at <= tokens && at >= atBest {
			best, atBest = text[:i], at
		}
	}
	return best
}

// prose writes sentences.
type prose struct {
	rng   *rand.Rand
	b     strings.Builder
	lines int
}

func (p *prose) pick(words []string) string { return words[p.rng.IntN(len(words))] }

func (p *prose) sentence() {
	if p.b.Len() > 0 {
		if p.lines++; p.lines%6 == 0 {
			p.b.WriteString("\n\n")
		} else {
			p.b.WriteByte(' ')
		}
	}
	parts := []string{p.pick(proseOpenings), p.pick(proseQualities), p.pick(proseThings), p.pick(proseActions),
		p.pick(proseQualities), p.pick(proseThings)}
	switch p.rng.IntN(4) {
	case 0:
		parts = append(parts, p.pick(proseLinks), p.pick(proseOpenings), p.pick(proseThings), p.pick(proseActions), "the",
			p.pick(proseThings))
	case 1:
		parts = append(parts, p.pick(proseTimes))
	case 2:
		parts = append([]string{p.pick(proseTimes) + ","}, parts...)
	}
	text := strings.Join(parts, " ")
	first, size := utf8.DecodeRuneInString(text)
	p.b.WriteRune(unicode.ToUpper(first))
	p.b.WriteString(text[size:])
	p.b.WriteByte('.')
}

var (
	proseOpenings  = words("the", "a", "every", "this", "another", "each", "one", "the other", "the first", "the last")
	proseQualities = words("quiet", "narrow", "early", "heavy", "open", "northern", "careful", "wooden", "bright",
		"common", "distant", "hollow", "patient", "gentle", "broken", "steady", "winter", "foreign", "silver", "modest",
		"ancient", "public", "hidden", "sudden", "dry", "warm")
	proseThings = words("river", "station", "garden", "letter", "harbour", "engine", "market", "bridge", "forest",
		"record", "window", "teacher", "valley", "workshop", "journey", "kitchen", "island", "library", "signal", "farmer",
		"archive", "machine", "mountain", "street", "meadow", "captain", "question", "theatre", "village", "instrument",
		"storm", "ledger")
	proseActions = words("follows", "carries", "crosses", "explains", "repairs", "hides", "measures", "opens",
		"remembers", "answers", "supports", "replaces", "describes", "protects", "observes", "divides", "lifts", "serves",
		"passes", "joins")
	proseLinks = words("because", "while", "although", "before", "until", "where", "after", "since")
	proseTimes = words("in the morning", "after the rain", "before winter", "on the third day",
		"at the end of the week", "in late summer", "without a sound", "for many years", "by evening", "near the border",
		"in the old town", "once again")
)

func words(w ...string) []string { return w }
