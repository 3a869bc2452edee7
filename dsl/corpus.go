package dsl

import (
	"fmt"
	"regexp"
	"slices"

	"homellm/dsl/syntax"
)

// maxChunks is the largest number of chunks of a corpus: their ids have four digits.
const maxChunks = 9999

// Corpus is a set of files that steps search. Each file is cut into chunks, which are documents.
type Corpus struct {
	Pos     syntax.Pos
	ID      string
	Files   []CorpusFile
	Tokens  int      // of a chunk, at most
	Overlap int      // tokens that a chunk repeats of the chunk before it, at most
	Chunks  []*Chunk // cut by the planner, which can count tokens

	place syntax.Diagnostic // where its files are named
}

// CorpusFile is one file of a corpus.
type CorpusFile struct {
	Name string // its path in the folder of the scenario
	Text string
}

// Chunk is a part of a file of a corpus.
type Chunk struct {
	*Document
	File string // the path of its file
	Size int    // in tokens
}

// chunkID is the id of the nth chunk of a corpus, from 1.
func chunkID(corpus string, n int) string { return fmt.Sprintf("%s_%04d", corpus, n) }

// chunkForm matches ids of chunks.
var chunkForm = regexp.MustCompile(`^(.+)_[0-9]{4,}$`)

// corpusOf is the corpus that an id of a chunk names; empty: it is not the id of a chunk.
func corpusOf(id string) string {
	if m := chunkForm.FindStringSubmatch(id); m != nil {
		return m[1]
	}
	return ""
}

// names reports whether a name in a file means a document in context: its own id, or the corpus of a chunk.
func names(name, doc string) bool { return name == doc || name == corpusOf(doc) }

// chunk returns the chunk of an id; nil: the corpus has none.
func (c *Corpus) chunk(id string) *Chunk {
	if i := slices.IndexFunc(c.Chunks, func(k *Chunk) bool { return k.ID == id }); i >= 0 {
		return c.Chunks[i]
	}
	return nil
}

// Lookup is a search of a corpus.
type Lookup struct {
	Query  string
	From   string   // id of the corpus; empty: it is not declared
	TopK   int      // most chunks
	Rerank bool     // a reranker chooses among more chunks
	Expect []string // files of the corpus and ids of chunks

	corpus *Corpus
}

// rerankFactor is how many times as many chunks a reranker gets as it is to choose.
const rerankFactor = 4

// Candidates is how many chunks the vectors choose.
func (s Lookup) Candidates() int {
	if s.Rerank {
		return rerankFactor * s.TopK
	}
	return s.TopK
}

// search is the search of a step that retrieves.
func (s Lookup) search() Lookup { return s }

// named is the id of a chunk in a file, and where it stands.
type named struct {
	chunk string
	at    syntax.Diagnostic
}

// Texts are the texts of all chunks, as they are embedded.
func (c *Corpus) Texts() []string {
	out := make([]string, len(c.Chunks))
	for i, k := range c.Chunks {
		out[i] = k.Text
	}
	return out
}

// chunkNamer is an action that names chunks.
type chunkNamer interface{ chunkNames() []named }

// span is a part of a text with its size in tokens.
type span struct{ from, to, tokens int }

// cutKey identifies how a file is cut.
type cutKey struct {
	model           *Model
	file            CorpusFile
	tokens, overlap int
}

// searches lists the searches of a scenario.
func (s *Scenario) searches() (out []Lookup) {
	for _, c := range s.Conversations {
		for _, step := range c.Steps {
			if a, ok := step.Do.(interface{ search() Lookup }); ok {
				out = append(out, a.search())
			}
		}
	}
	return out
}

// Corpus returns the corpus with an id; nil: there is none.
func (s *Scenario) Corpus(id string) *Corpus {
	if i := slices.IndexFunc(s.Corpora, func(c *Corpus) bool { return c.ID == id }); i >= 0 {
		return s.Corpora[i]
	}
	return nil
}

// Retrieves reports whether the scenario searches corpora.
func (s *Scenario) Retrieves() bool { return len(s.searches()) > 0 }

// Reranks reports whether the scenario needs a reranker.
func (s *Scenario) Reranks() bool {
	return slices.ContainsFunc(s.searches(), func(a Lookup) bool { return a.Rerank })
}

// undecided stands for what a step retrieves where it does not matter which chunks come.
func undecided(_ string, s Lookup) ([]*Document, error) { return []*Document{{ID: s.From}}, nil }
