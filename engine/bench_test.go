package engine_test

import (
	"io/fs"
	"testing"

	"homellm"
	"homellm/dsl"
	"homellm/engine/judge"
	"homellm/engine/prompt"
	"homellm/scenarios"
)

// BenchmarkPlan is everything that apply does with files before its first request: the shipped
// library, the vocabulary and the plan of rag-long, with cold token counts.
func BenchmarkPlan(b *testing.B) {
	data, err := fs.ReadFile(scenarios.FS, "rag-long.yaml")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		lib, _ := dsl.LoadLibrary(
			dsl.File{Name: "models.yaml", Data: homellm.Models},
			dsl.File{Name: "servers.yaml", Data: homellm.Servers},
		)
		opt := prompt.PlanOptions(lib)
		opt.DefaultServer = "sim"
		if _, ds := dsl.Load(dsl.File{Name: "rag-long.yaml", Data: data, Dir: scenarios.FS}, lib, judge.Vocabulary(),
			opt); ds.Errors() {
			b.Fatal(ds)
		}
	}
}
