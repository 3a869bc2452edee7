package main

import (
	"github.com/spf13/cobra"
)

func newModels(p process) *cobra.Command {
	c := &cobra.Command{
		Use:   "models",
		Short: "List, download and check models",
		Long: `models keeps models in the folder in which every Hugging Face program keeps them
(HF_HUB_CACHE, HF_HOME or ~/.cache/huggingface/hub), so that vLLM, llama.cpp and
huggingface-cli find what homellm has pulled, and the other way round. HF_ENDPOINT
names another hub, HF_TOKEN gives access to gated repositories.`,
	}
	c.AddCommand(newModelsList(p), newModelsPull(p), newModelsSetup(p), newModelsVerify(p), newModelsRemove(p))
	return c
}
