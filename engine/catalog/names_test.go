package catalog

import "testing"

// Servers' names for models, as Ollama, LM Studio, llama-server, vLLM and others say them.
func TestShipped_Names(t *testing.T) {
	c := shipped(t)
	for name, want := range map[string]string{
		// Ollama
		"qwen3:8b": "qwen3-8b", "qwen3:8b-q4_K_M": "qwen3-8b", "qwen3:14b-fp16": "qwen3-14b", "gpt-oss:20b": "gpt-oss-20b",
		"gpt-oss:120b": "gpt-oss-120b", "gemma3:12b": "gemma-3-12b", "gemma3:1b-it-qat": "gemma-3-1b",
		"gemma4:26b": "gemma-4-26b-a4b", "gemma4:26b-a4b-it-q4_K_M": "gemma-4-26b-a4b", "gemma4:e2b-it-qat": "gemma-4-e2b",
		"qwen3.5:9b": "qwen3.5-9b", "llama3.3:70b": "llama-3.3-70b", "phi4:14b": "phi-4", "phi4:latest": "phi-4",
		"phi4-mini:3.8b": "phi-4-mini", "smollm2:135m": "smollm2-135m", "mistral-small3.2:24b": "mistral-small-3.2-24b",
		"huihui_ai/gemma4:31b": "gemma-4-31b",
		// LM Studio
		"qwen/qwen3-8b": "qwen3-8b", "openai/gpt-oss-20b": "gpt-oss-20b", "google/gemma-3-12b": "gemma-3-12b",
		"google/gemma-4-e4b": "gemma-4-e4b", "qwen/qwen3.5-9b": "qwen3.5-9b", "microsoft/phi-4": "phi-4",
		// llama-server, by files and by the hub
		"Qwen3-8B-Q4_K_M.gguf": "qwen3-8b", "/models/Qwen_Qwen3-14B-Q5_K_M.gguf": "qwen3-14b",
		"google_gemma-3-27b-it-Q4_K_M.gguf": "gemma-3-27b", "gemma-4-31B-it-UD-Q4_K_XL.gguf": "gemma-4-31b",
		"gpt-oss-20b-mxfp4.gguf": "gpt-oss-20b", "openai_gpt-oss-20b-MXFP4.gguf": "gpt-oss-20b",
		"phi-4-Q4_K_M.gguf": "phi-4", "phi-4.gguf": "phi-4", "microsoft_Phi-4-mini-instruct-Q4_K_M.gguf": "phi-4-mini",
		"SmolLM2-135M-Instruct-Q8_0.gguf": "smollm2-135m", "unsloth/Qwen3.5-4B-GGUF:Q4_K_M": "qwen3.5-4b",
		"ibm-granite_granite-4.1-3b-Q8_0.gguf": "granite-4.1-3b", "ggml-org/gpt-oss-120b-GGUF": "gpt-oss-120b",
		// vLLM and SGLang
		"Qwen/Qwen3-8B": "qwen3-8b", "Qwen/Qwen3-8B-AWQ": "qwen3-8b", "Qwen/Qwen3-14B-FP8": "qwen3-14b",
		"google/gemma-4-26B-A4B-it": "gemma-4-26b-a4b", "Qwen/Qwen3-4B-Instruct-2507": "qwen3-4b-instruct-2507",
		"Qwen/Qwen3-4B-Thinking-2507-FP8":                 "qwen3-4b-thinking-2507",
		"RedHatAI/Llama-3.3-70B-Instruct-quantized.w4a16": "llama-3.3-70b", "HuggingFaceTB/SmolLM3-3B": "smollm3-3b",
		// MLX
		"mlx-community/Qwen3.5-9B-4bit": "qwen3.5-9b", "mlx-community/gemma-3-12b-it-qat-4bit": "gemma-3-12b",
		// Names that look like those of the catalogue.
		"Qwen/Qwen3-Embedding-8B": "none", "Qwen/Qwen3-VL-8B-Instruct": "none", "qwen3-coder:30b": "none",
		"Qwen/Qwen3-Coder-30B-A3B-Instruct": "none", "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B": "none",
		"DeepSeek-R1-0528-Qwen3-8B-Q4_K_M.gguf": "none", "google/gemma-3n-E4B-it": "none", "gemma3n:e4b": "none",
		"medgemma-4b-it-Q4_K_M.gguf": "none", "microsoft/Phi-4-reasoning": "none", "phi4-reasoning:14b": "none",
		"microsoft/Phi-4-multimodal-instruct": "none", "microsoft/Phi-4-mini-reasoning": "none",
		"phi4-mini-reasoning:3.8b":     "none",
		"openai/gpt-oss-safeguard-20b": "none", "nvidia/Llama-3_3-Nemotron-Super-49B-v1_5": "none",
		"mistralai/Mistral-Small-24B-Instruct-2501": "none", "granite-4.0-h-micro-Q4_K_M.gguf": "none",
		"ibm-granite/granite-3.3-8b-instruct": "none", "HuggingFaceTB/SmolVLM2-2.2B-Instruct": "none",
		"Qwen/Qwen3-Next-80B-A3B-Instruct": "none", "Qwen/Qwen3.6-27B": "none", "Qwen/Qwen3.5-122B-A10B": "none",
		"qwen3:4b": "none", "qwen3:30b": "none", "gemma-4-12b-it": "none",
	} {
		if got := named(c.Library.Recognise(name)); got != want {
			t.Errorf("%q is recognised as %s, want %s", name, got, want)
		}
	}
}
