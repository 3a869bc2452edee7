package dsl

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

const corpusFile = `schema: homellm.scenario/v1
name: cellar
defaults: {request: {temperature: 0, max_tokens: 20}}
corpora:
  - {id: manuals, files: [docs/*.md, notes.txt], chunk: {tokens: 32, overlap: 4}}
conversations:
  - id: main
    steps:
      - {id: hello, ask: Good morning.}
      - {id: find, retrieve: {query: How is the pump bled?, from: manuals, top_k: 2,
                              expect: [pump, notes.txt, manuals_0001]}}
      - {id: bleed, query: How is the pump bled?}
      - {id: one, remove: {docs: [manuals_0002]}}
      - {id: again, retrieve: {query: What is for breakfast?, from: manuals, top_k: 3}}
      - {id: breakfast, query: {text: What is for breakfast?, docs: [manuals]}}
      - {id: clear, remove: {docs: [manuals]}}
      - {id: bye, ask: Goodbye.}
`

var corpusFolder = fstest.MapFS{
	"docs/pump.md":       {Data: []byte(strings.Repeat("To bleed the pump, open the brass screw. ", 20))},
	"docs/bread.md":      {Data: []byte("Sourdough rests overnight.")},
	"docs/more/other.md": {Data: []byte("not matched")},
	"docs/pump.txt":      {Data: []byte("not matched")},
	"notes.txt":          {Data: []byte(strings.Repeat("Breakfast is at eight. ", 9))},
}

func planCorpus(t *testing.T, file string) *Plan {
	t.Helper()
	plan, diags := Load(File{Name: "cellar.yaml", Data: []byte(file), Dir: corpusFolder}, retrievalLibrary(t), vocabulary,
		Options{Servers: []string{"own"}, Model: "tiny"})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return plan
}

func retrievalLibrary(t *testing.T) *Library {
	t.Helper()
	lib, diags := LoadLibrary(File{Name: "models.yaml", Data: []byte(testModels)}, File{Name: "servers.yaml", Data: []byte(
		testServers + `
  own:
    extends: big
    embeddings: {}
    rerank: {server: small, model: ranks}
`)})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return lib
}

// The files that the patterns match are cut into chunks with ids in the order of the files, and a plan has
// intervals for
// the turns behind a retrieval.
func TestCorpus_Plan(t *testing.T) {
	plan := planCorpus(t, corpusFile)
	cell := plan.Cells[0]
	corpus := cell.Scenario.Corpora[0]
	var files []string
	for i, k := range corpus.Chunks {
		if k.ID != chunkID("manuals", i+1) || k.Size > 32 || !strings.Contains(k.Title, k.File) {
			t.Errorf("chunk %d: %+v of %d tokens", i, k.Document, k.Size)
		}
		if len(files) == 0 || files[len(files)-1] != k.File {
			files = append(files, k.File)
		}
	}
	if got := strings.Join(files, " "); got != "docs/bread.md docs/pump.md notes.txt" {
		t.Errorf("files are %s", got)
	}
	if a := cell.Scenario.searches()[0]; strings.Join(a.Expect, " ") != "docs/pump.md notes.txt manuals_0001" {
		t.Errorf("expected are %v", a.Expect)
	}

	var before, largest PlannedTurn
	for _, turn := range cell.Turns {
		switch behind := turn.Step != "hello"; {
		case turn.Retrieved != behind:
			t.Errorf("%s: retrieved is %v", turn.Step, turn.Retrieved)
		case !behind:
			before = turn
		case turn.Least.PromptTokens >= turn.PromptTokens && turn.Step != "bye", turn.Least.Ceiling > turn.Ceiling,
			turn.Least.PromptTokens <= before.PromptTokens:
			t.Errorf("%s: %+v", turn.Step, turn)
		}
		if turn.PromptTokens > largest.PromptTokens {
			largest = turn
		}
	}
	// Both searches may bring the same chunks, or other ones each.
	of := map[string]PlannedTurn{}
	for _, turn := range cell.Turns {
		of[turn.Step] = turn
	}
	least, most := of["breakfast"].Least.PromptTokens-of["bleed"].Least.PromptTokens,
		of["breakfast"].PromptTokens-of["bleed"].PromptTokens
	if most < least+60 {
		t.Errorf("the second search adds %d to %d tokens", least, most)
	}
	if largest.Step != "breakfast" {
		t.Errorf("the longest prompt is that of %s", largest.Step)
	}
	var text bytes.Buffer
	if err := plan.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"–", "which chunks are retrieved is not known before"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the plan does not say %q:\n%s", want, &text)
		}
	}
}

// A cell is skipped if the most that a retrieval may bring does not fit, or if nobody embeds or reranks.
func TestCorpus_Skip(t *testing.T) {
	for server, c := range map[string]struct{ from, to, why string }{
		"big": {"", "", "the profile of server big does not say who embeds: add embeddings: {server: …} to it"},
		"own": {"top_k: 2", "top_k: 100", ""},
		"few": {"top_k: 2", "top_k: 9", "of reply) if the largest chunks are retrieved, and server few serves 460: lower " +
			"top_k"},
		"odd": {"top_k: 2", "rerank: true", "the profile of server odd does not say who reranks"},
	} {
		lib := retrievalLibrary(t)
		lib.Servers = append(lib.Servers, &Server{Name: "few", Engine: "vllm", ContextTokens: 460, Embeddings: &Service{}},
			&Server{Name: "odd", Engine: "vllm", Embeddings: &Service{}})
		plan, diags := Load(File{Name: "cellar.yaml", Data: []byte(strings.Replace(corpusFile, c.from, c.to, 1)),
			Dir: corpusFolder}, lib, vocabulary, Options{Servers: []string{server}, Model: "tiny"})
		if diags.Errors() {
			t.Fatal(diags)
		}
		if skip := plan.Cells[0].Skip; (skip == "") != (c.why == "") || !strings.Contains(skip, c.why) {
			t.Errorf("%s: skipped with %q, want %q", server, skip, c.why)
		}
	}
}

// What a corpus, its chunks and the expected ones can be wrong about is said at its place, before anything is sent.
func TestCorpus_Wrong(t *testing.T) {
	for change, want := range map[string]string{
		"docs/*.md -> docs/*.pdf":                                `5:27: error[links/file]: "docs/*.pdf" matches no file in the folder`,
		"docs/*.md -> docs/**":                                   `5:27: error[links/file]: "docs/**" has **`,
		"docs/*.md -> ../*.md":                                   `5:27: error[links/file]: "../*.md" is not a path inside the folder`,
		"docs/*.md -> \"docs/[a.md\"":                            `5:27: error[links/file]: "docs/[a.md" is not a pattern`,
		"notes.txt] -> notes.md]":                                `corpus file "notes.md" does not exist`,
		"overlap: 4 -> overlap: 20":                              `error[links/corpus]: chunks of 32 tokens cannot repeat 20`,
		"tokens: 32 -> tokens: 3":                                `error[schema/`,
		"from: manuals -> from: manual":                          `did you mean "manuals"?`,
		"[pump, -> [pmup,":                                       `corpus "manuals" has no file "pmup"`,
		"manuals_0001] -> manuals_0099]":                         `error[plan/chunk]: corpus "manuals" has no chunk "manuals_0099"`,
		"manuals_0002] -> manuals_0088]":                         `error[plan/chunk]: corpus "manuals" has no chunk "manuals_0088"`,
		"manuals_0002] -> manual_0002]":                          `document "manual_0002" is not declared`,
		"  - {id: clear, -> - {id: clear, x: 1,":                 `error[`,
		"remove: {docs: [manuals]} -> inject: {docs: [manuals]}": `"manuals" is a corpus`,
		"{id: bye, ask: Goodbye.} -> {id: end, retrieve: {query: x, from: manuals}}": `error[links/unsent]: nothing is sent ` +
			`after this step: what it finds`,
		"{id: hello, ask: Good morning.} -> {id: hello, query: {text: x, docs: [manuals]}}": `document "manuals" is not in ` +
			`context here`,
		"corpora: -> documents: [{id: manuals_0001, text: x}]\ncorpora:": `document "manuals_0001" has the name of a chunk`,
		"corpora: -> documents: [{id: manuals, text: x}]\ncorpora:":      `"manuals" is already declared on line 4`,
	} {
		old, anew, _ := strings.Cut(change, " -> ")
		if strings.Count(corpusFile, old) == 0 {
			t.Fatalf("%q is not in the file", old)
		}
		_, diags := Load(File{Name: "cellar.yaml", Data: []byte(strings.Replace(corpusFile, old, anew, 1)),
			Dir: corpusFolder},
			retrievalLibrary(t), vocabulary, Options{Servers: []string{"own"}, Model: "tiny"})
		var text bytes.Buffer
		if err := diags.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s: want %q in\n%s", change, want, &text)
		}
	}
}

// A profile names the servers of retrieval, each with an address.
func TestServices(t *testing.T) {
	lib := retrievalLibrary(t)
	own := lib.Server("own")
	ranks := own.Reranker()
	if own.Embedder().Profile() != nil || ranks.Profile() != lib.Server("small") || ranks.Model != "ranks" {
		t.Errorf("embedder %+v, reranker %+v", own.Embedder(), own.Reranker())
	}
	for text, want := range map[string]string{
		"{server: smal}": `did you mean "small"?`,
		"{server: own}":  `server "own" names itself`,
		"{server: made}": `server "made" has no address`,
		"{server: base}": `server "base" is abstract`,
		"{sever: small}": `did you mean "server"?`,
	} {
		_, diags := LoadLibrary(File{Name: "models.yaml", Data: []byte(testModels)}, File{Name: "servers.yaml", Data: []byte(
			testServers + `
  base: {abstract: true}
  made: {engine: vllm, launch: {command: [vllm]}}
  own:
    extends: big
    embeddings: ` + text + "\n")})
		var found bytes.Buffer
		if err := diags.WriteText(&found); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(found.String(), want) {
			t.Errorf("%s: want %q in\n%s", text, want, &found)
		}
	}
}

// A file that is a link out of the scenario's folder is refused, though a pattern matches it.
func TestCorpus_FilesStayInside(t *testing.T) {
	folder := t.TempDir()
	for name, data := range map[string]string{"secret.md": "secret", "inside/fine.md": "fine"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret.md", filepath.Join(folder, "inside", "out.md")); err != nil {
		t.Skip(err)
	}
	root, err := os.OpenRoot(filepath.Join(folder, "inside"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	file := strings.Replace(corpusFile, "[docs/*.md, notes.txt]", `"*.md"`, 1)
	diags := Validate(File{Name: "cellar.yaml", Data: []byte(file), Dir: ownFolder{root}}, retrievalLibrary(t), vocabulary)
	var text bytes.Buffer
	if err := diags.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), `5:26: error[links/file]: corpus file "out.md" cannot be read`) {
		t.Errorf("%s", &text)
	}
}
