package crash_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"homellm/engine/crash"
)

func TestGuarded(t *testing.T) {
	got := make(chan any, 1)
	crash.Handle(func(value any, stack []byte) {
		if !strings.Contains(string(stack), "crash_test.go") {
			t.Errorf("the stack does not show who panicked:\n%s", stack)
		}
		got <- value
		select {} // as the end of a process would
	})
	crash.Go(func() { panic("planted") })
	if v := <-got; v != "planted" {
		t.Errorf("handed over %v", v)
	}
	done := make(chan struct{})
	crash.Go(func() { close(done) })
	<-done
}

// unguarded finds the places of a file where a goroutine begins without a recover: go statements, and functions given
// to a wait group, an error group or a timer as they are.
func unguarded(set *token.FileSet, f *ast.File) []token.Position {
	var found []token.Position
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, set.Position(n.Pos()))
		case *ast.CallExpr:
			s, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || len(n.Args) == 0 || !slices.Contains([]string{"Go", "AfterFunc"}, s.Sel.Name) || isOurs(s) {
				return true
			}
			last, ok := n.Args[len(n.Args)-1].(*ast.CallExpr)
			if !ok || !isOurs(last.Fun) {
				found = append(found, set.Position(n.Pos()))
			}
		}
		return true
	})
	return found
}

func isOurs(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "crash"
}

func TestUnguarded_FindsEachKind(t *testing.T) {
	const planted = `package p
func f() {
	go f()
	group.Go(f)
	group.Go(func() {})
	time.AfterFunc(d, f)
	context.AfterFunc(ctx, func() {})
	crash.Go(f)
	group.Go(crash.Guarded(f))
	time.AfterFunc(d, crash.Guarded(f))
}`
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, "p.go", planted, 0)
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	for _, at := range unguarded(set, f) {
		lines = append(lines, at.Line)
	}
	if want := []int{3, 4, 5, 6, 7}; !slices.Equal(lines, want) {
		t.Errorf("found lines %v, want %v", lines, want)
	}
}

// Every goroutine that this module starts recovers, so that a crash is exit code 70 and one line.
func TestNoBareGoroutine(t *testing.T) {
	root := filepath.Join("..", "..")
	set, files := token.NewFileSet(), 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			strings.HasSuffix(filepath.ToSlash(path), "engine/crash/crash.go"):
			return nil
		}
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files++
		for _, at := range unguarded(set, f) {
			t.Errorf("%s: a goroutine that recovers nothing; start it with crash.Go or crash.Guarded", at)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("looked at %d files only", files)
	}
}
