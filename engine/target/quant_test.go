package target

import (
	"testing"

	"homellm/dsl"
)

// What a server calls its model says how it is quantised; what the models file says counts only where homellm
// starts the
// server with those files.
func TestQuantOf(t *testing.T) {
	entry := &dsl.Model{Name: "m", Sources: []*dsl.ModelSource{{Name: "hf", Quant: "gptq-int4"}}}
	launched := &dsl.Server{Launch: &dsl.Launch{Command: []string{"serve", "${model.ref}"}}}
	attached := &dsl.Server{Address: dsl.Address{Attach: "http://h"}}
	for served, want := range map[string]string{
		"SmolLM2-135M-Instruct.Q4_1.gguf": "q4_1", "/models/Qwen2.5-7B-Instruct-Q4_K_M.gguf": "q4_k_m",
		"qwen2.5:7b-instruct-q8_0": "q8_0", "Qwen/Qwen2.5-3B-Instruct-GPTQ-Int4": "gptq-int4",
		"thesven/Phi-3.5-mini-instruct-GPTQ-4bit": "gptq-4bit", "x/Llama-3.1-8B-AWQ": "awq",
		"gpt-oss-20b-mxfp4.gguf":  "mxfp4",
		"unsloth/UD-IQ2_XXS.gguf": "ud-iq2_xxs", "RedHatAI/m-quantized.w4a16": "w4a16", "Qwen2.5-0.5B-Instruct": "",
		"m": "", "q4u-large": "", "mlx-community/Qwen3-4B-4bit": "4bit",
	} {
		if got := quantOf(&dsl.Cell{Server: attached, Model: entry}, served); got != want {
			t.Errorf("%s: %q, want %q", served, got, want)
		}
	}
	if got := quantOf(&dsl.Cell{Server: launched, Model: entry}, "m"); got != "gptq-int4" {
		t.Errorf("started by homellm: %q", got)
	}
	if got := quantOf(&dsl.Cell{Server: attached}, "m"); got != "" {
		t.Errorf("without a model: %q", got)
	}
}
