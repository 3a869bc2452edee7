package homellm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// mostInLoop is how many files of a package may refer to each other in a loop.
const mostInLoop = 6

// larger are the packages whose largest loop is longer, with its length and the decision that says
// why it reads better so. An entry that is not needed any more is an error.
var larger = map[string]struct {
	files int
	adr   string
}{}

// TestRooms_HaveSmallLoops limits the loops of files in every package. A file refers to another if it uses a function,
// type, variable, constant or method that the other declares. A loop is a strongly connected component of that graph;
// test files do not count.
func TestRooms_HaveSmallLoops(t *testing.T) {
	packages, err := checked()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		loops := loopsOf(references(p))
		longest := 0
		for _, loop := range loops {
			longest = max(longest, len(loop))
		}
		allowed := larger[p.path]
		switch {
		case longest == 0 && allowed.files == 0:
			continue
		case allowed.files == 0 && longest > mostInLoop:
			t.Errorf("%s: %d files refer to each other in a loop, %d are allowed: %s", p.path, longest, mostInLoop, loops[0])
		case allowed.files > 0 && longest > allowed.files:
			t.Errorf("%s: %d files refer to each other in a loop, %d are allowed by %s: %s", p.path, longest, allowed.files,
				allowed.adr, loops[0])
		case allowed.files > 0 && longest < allowed.files:
			t.Errorf("%s: its longest loop is of %d files now: write that instead of %d, or nothing up to %d", p.path, longest,
				allowed.files, mostInLoop)
		}
		t.Logf("%s: %d files, loops: %s", p.path, len(p.files), loops)
	}
	for path, allowed := range larger {
		if _, err := os.Stat(filepath.FromSlash(allowed.adr)); err != nil || !strings.HasPrefix(allowed.adr, "docs/adr/") {
			t.Errorf("%s: no decision says why its loop is larger: %v", path, err)
		}
	}
}

// checkedPackage is a package after type checking.
type checkedPackage struct {
	path  string
	types *types.Package
	info  *types.Info
	set   *token.FileSet
	files []*ast.File
}

// checked are the packages of this module as they are built here, type-checked once for all tests.
var checked = sync.OnceValues(check)

func check() (out []checkedPackage, err error) {
	list := exec.CommandContext(context.Background(), "go", "list", "-export", "-deps",
		"-json=ImportPath,Dir,Export,GoFiles,CgoFiles,Module", "./...")
	list.Stderr = os.Stderr
	data, err := list.Output()
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	set := token.NewFileSet()
	lookup := importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for d := json.NewDecoder(strings.NewReader(string(data))); ; { // dependencies come first
		var p struct {
			ImportPath, Dir, Export string
			GoFiles, CgoFiles       []string
			Module                  *struct{ Main bool }
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if p.Module == nil || !p.Module.Main {
			continue
		}
		if len(p.CgoFiles) > 0 {
			return nil, fmt.Errorf("%s has cgo files, which this does not read", p.ImportPath)
		}
		c := checkedPackage{path: p.ImportPath, set: set, info: &types.Info{Uses: map[*ast.Ident]types.Object{},
			Types: map[ast.Expr]types.TypeAndValue{}}}
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			c.files = append(c.files, file)
		}
		config := types.Config{Importer: lookup}
		if c.types, err = config.Check(p.ImportPath, set, c.files, c.info); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
}

// references returns, for each file of a package, the files that it refers to.
func references(p checkedPackage) map[string][]string {
	out := map[string][]string{}
	name := func(pos token.Pos) string { return filepath.Base(p.set.Position(pos).Filename) }
	for _, f := range p.files {
		out[name(f.Package)] = nil
	}
	for id, object := range p.info.Uses {
		if object.Pkg() != p.types {
			continue
		}
		f, ok := object.(*types.Func)
		method := ok && f.Signature().Recv() != nil
		if from, to := name(id.Pos()), name(object.Pos()); from != to && (method || object.Parent() == p.types.Scope()) {
			out[from] = append(out[from], to)
		}
	}
	return out
}

// loopsOf returns the strongly connected components of a graph that have more than one member, the
// largest first.
func loopsOf(graph map[string][]string) (loops [][]string) {
	reach := map[string]map[string]bool{}
	var walk func(from, at string)
	walk = func(from, at string) {
		for _, next := range graph[at] {
			if !reach[from][next] {
				reach[from][next] = true
				walk(from, next)
			}
		}
	}
	for v := range graph {
		reach[v] = map[string]bool{}
		walk(v, v)
	}
	seen := map[string]bool{}
	for v := range graph {
		var loop []string
		for w := range graph {
			if !seen[w] && w != v && reach[v][w] && reach[w][v] {
				loop = append(loop, w)
			}
		}
		if len(loop) > 0 && !seen[v] {
			loop = append(loop, v)
			for _, w := range loop {
				seen[w] = true
			}
			slices.Sort(loop)
			loops = append(loops, loop)
		}
	}
	slices.SortFunc(loops, func(a, b []string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	})
	return loops
}

func TestLoopsOf(t *testing.T) {
	graph := map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}, "g": nil}
	if got := fmt.Sprint(loopsOf(graph)); got != "[[a b c] [d e]]" {
		t.Errorf("loops %s, want [[a b c] [d e]]", got)
	}
}

// TestCalls_TakeOneBoolean fails for a function that takes several: a call does not show which is which.
func TestCalls_TakeOneBoolean(t *testing.T) {
	packages, err := checked()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				signature, ok := n.(*ast.FuncType)
				if !ok {
					return true
				}
				booleans := 0
				for _, field := range signature.Params.List {
					if b, ok := p.info.TypeOf(field.Type).Underlying().(*types.Basic); ok && b.Info()&types.IsBoolean != 0 {
						booleans += max(1, len(field.Names))
					}
				}
				if booleans > 1 {
					t.Errorf("%s: %d boolean parameters", p.set.Position(n.Pos()), booleans)
				}
				return true
			})
		}
	}
}
