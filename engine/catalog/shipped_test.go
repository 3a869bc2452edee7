package catalog

import (
	"math"
	"os"
	"path"
	"path/filepath"
	"testing"

	"homellm/dsl"
	"homellm/engine/model"
	"homellm/engine/prompt"
)

// shipped is the catalogue of the models that homellm carries.
func shipped(t *testing.T) *Catalog {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "models.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	lib, diags := dsl.LoadLibrary(dsl.File{Name: "models.yaml", Data: data})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return &Catalog{Library: lib}
}

const gib = 1 << 30

// No card makes a context longer than the one a model was trained for, and what is said to fit fits.
func TestShipped_NoContextAboveTheTrained(t *testing.T) {
	c := shipped(t)
	templates := prompt.NewTemplates(c.Library, model.Compile)
	before := 0.0
	for _, vram := range []float64{4, 6, 8, 12, 16, 24, 32, 48, 96, 512} {
		for _, o := range c.Offers() {
			for _, context := range []int{UsualContext, o.Model.Context.Trained, 8 * o.Model.Context.Trained} {
				f, err := o.Fit(context, vram*gib)
				if err != nil {
					t.Fatalf("%s: %v", o, err)
				}
				if f.MaxContext > o.Model.Context.Trained {
					t.Errorf("%s on %v GiB: a context of %d, trained for %d", o, vram, f.MaxContext, o.Model.Context.Trained)
				}
				if f.OK && f.MaxContext < min(context, o.Model.Context.Trained) {
					t.Errorf("%s on %v GiB: fits with %d tokens, but no more than %d", o, vram, context, f.MaxContext)
				}
				if at, _ := o.Fit(f.MaxContext, vram*gib); f.MaxContext > 0 && !at.OK {
					t.Errorf("%s on %v GiB: the longest context of %d does not fit: %s", o, vram, f.MaxContext, at)
				}
			}
		}
		best, _, ok := c.Recommend(templates, vram*gib)
		if vram >= 8 && !ok {
			t.Errorf("nothing for %v GiB", vram)
			continue
		}
		if ok && best.Model.Architecture.Parameters < before {
			t.Errorf("%v GiB: %s, smaller than what fits a smaller card", vram, best)
		}
		if ok {
			before = best.Model.Architecture.Parameters
		}
	}
}

// The estimates agree with the sizes of published files within 3 %. Files whose rows are no multiple of 256 numbers,
// such as those of Gemma 3 1B, and those with embeddings for each layer, Gemma 4 E2B and E4B, mix in larger
// quantisations: the models file says their size.
func TestShipped_Sizes(t *testing.T) {
	c := shipped(t)
	for _, tc := range []struct {
		model, quant string
		gb           float64 // of the hub's file
	}{
		{"qwen3-0.6b", "q8_0", 0.6394}, {"qwen3-1.7b", "q8_0", 1.8344}, {"qwen3-4b", "q4_k_m", 2.4973},
		{"qwen3-8b", "q4_k_m", 5.0278}, {"qwen3-14b", "q4_k_m", 9.0018}, {"qwen3-14b", "q8_0", 15.7},
		{"qwen3-32b", "q4_k_m", 19.762}, {"qwen3-30b-a3b", "q4_k_m", 18.557},
		{"qwen3.5-4b", "q4_k_m", 2.7409}, {"qwen3.5-4b", "q8_0", 4.48}, {"qwen3.5-9b", "q4_k_m", 5.68},
		{"qwen3.5-9b", "bf16", 17.92}, {"qwen3.5-27b", "q8_0", 28.6}, {"qwen3.5-35b-a3b", "q8_0", 36.9},
		{"llama-3.1-8b", "q4_k_m", 4.9207}, {"llama-3.2-1b", "q4_k_m", 0.8077}, {"llama-3.2-3b", "q4_k_m", 2.0194},
		{"llama-3.3-70b", "q4_k_m", 42.520}, {"mistral-7b-v0.3", "q4_k_m", 4.3728},
		{"mistral-small-3.2-24b", "q4_k_m", 14.334}, {"gemma-2-9b", "q4_k_m", 5.7611},
		{"gemma-3-4b", "q4_k_m", 2.4898}, {"gemma-3-12b", "q4_k_m", 7.3006}, {"gemma-3-12b", "q8_0", 12.51},
		{"gemma-4-e2b", "bf16", 9.34}, {"gemma-4-e4b", "bf16", 15.03}, {"gemma-4-26b-a4b", "q8_0", 26.85},
		{"gemma-4-31b", "q4_k_m", 18.4},
		{"gemma-4-31b", "q8_0", 32.64}, {"gpt-oss-20b", "mxfp4", 12.110}, {"gpt-oss-120b", "mxfp4", 63.387},
		{"phi-4", "q4_k_m", 9.0531}, {"phi-4-mini", "q4_k_m", 2.4919}, {"smollm2-360m", "q8_0", 0.3864},
		{"smollm3-3b", "q4_k_m", 1.9153}, {"granite-4.0-micro", "q4_k_m", 2.0995}, {"granite-4.1-3b", "q8_0", 3.62},
	} {
		m := c.Library.Model(tc.model)
		if m == nil {
			t.Errorf("there is no model %s", tc.model)
			continue
		}
		q, err := model.QuantOf(tc.quant)
		if err != nil {
			t.Fatal(err)
		}
		got := model.WeightBytes(model.Architecture(*m.Architecture), q) / 1e9
		if off := got/tc.gb - 1; math.Abs(off) > 0.03 {
			t.Errorf("%s as %s: %.3f GB, the file has %.3f: %+.1f %%", tc.model, tc.quant, got, tc.gb, 100*off)
		}
	}
	for _, o := range c.Offers() {
		f, err := o.Fit(1, 1024*gib)
		if known, _ := o.weights(); err != nil || known > 0 && (f.Weights != known || f.Estimated) {
			t.Errorf("%s: %v of weights, published %v (%v)", o, f.Weights, known, err)
		}
	}
}

// Every name by which a server may know a model of the catalogue is that model's and no other's.
func TestShipped_ANameIsNeverAnotherModel(t *testing.T) {
	c := shipped(t)
	for _, m := range c.Library.Models {
		names := append([]string{m.Name}, m.Aliases...)
		for _, e := range m.Engines {
			names = append(names, e.Ref, e.ServedName)
		}
		for _, s := range m.Sources {
			names = append(names, "/models/"+path.Base(s.Repo))
			if s.Format == "gguf" {
				names = append(names, s.Repo, "hf.co/"+s.Repo+":Q4_K_M")
			}
			for _, f := range s.Files {
				names = append(names, f.Path, "/models/"+f.Path)
			}
		}
		for _, name := range names {
			if name == "" {
				continue
			}
			if got := c.Library.Recognise(name); got != m {
				t.Errorf("%s: the name %q is recognised as %v", m.Name, name, named(got))
			}
		}
	}
}

func named(m *dsl.Model) string {
	if m == nil {
		return "none"
	}
	return m.Name
}
