package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Props is what llama.cpp's /props tells.
type Props struct {
	BuildInfo    string         `json:"build_info"`
	TotalSlots   *int           `json:"total_slots"`
	ModelPath    string         `json:"model_path"`
	ChatTemplate string         `json:"chat_template"`
	Defaults     *PropsDefaults `json:"default_generation_settings"`
}

// PropsDefaults holds the context in force for each slot.
type PropsDefaults struct {
	ContextTokens *int `json:"n_ctx"`
}

// Props asks llama.cpp for its properties.
func (s *Side) Props(ctx context.Context) (Props, error) {
	var props Props
	r, err := s.get(ctx, "/props")
	if err == nil && !r.into(&props) {
		err = fmt.Errorf("the reply is not what llama.cpp sends: %s", shorten(string(r.body), 200))
	}
	if err != nil {
		return Props{}, fmt.Errorf("reading /props: %w", err)
	}
	return props, nil
}

// Slot is one of llama.cpp's slots.
type Slot struct {
	ID            int  `json:"id"`
	ContextTokens int  `json:"n_ctx"`
	Busy          bool `json:"is_processing"`
}

// Slots asks llama.cpp for its slots. A server started with --no-slots refuses.
func (s *Side) Slots(ctx context.Context) ([]Slot, error) {
	var slots []Slot
	r, err := s.get(ctx, "/slots")
	if err == nil && !r.into(&slots) {
		err = fmt.Errorf("the reply is not what llama.cpp sends: %s", shorten(string(r.body), 200))
	}
	if err != nil {
		return nil, fmt.Errorf("reading /slots: %w", err)
	}
	return slots, nil
}

// RunningModel is one model that Ollama has in memory.
type RunningModel struct {
	Name          string `json:"name"`
	Size          int64  `json:"size"`      // bytes
	SizeVRAM      int64  `json:"size_vram"` // bytes
	ContextTokens *int   `json:"context_length"`
}

// GPUShare is the part of the model that is in GPU memory, 0..1; false if it is not told.
func (m RunningModel) GPUShare() (float64, bool) {
	if m.Size <= 0 {
		return 0, false
	}
	return float64(m.SizeVRAM) / float64(m.Size), true
}

// Running asks Ollama which models are in memory, and with which context.
func (s *Side) Running(ctx context.Context) ([]RunningModel, error) {
	return ollamaRunning(ctx, s.client, s.base)
}

func ollamaRunning(ctx context.Context, client *http.Client, base string) ([]RunningModel, error) {
	var list struct {
		Models []RunningModel `json:"models"`
	}
	r := call(ctx, client, http.MethodGet, base+"/api/ps", nil, sideLimit)
	err := r.failure()
	if err == nil && !r.into(&list) {
		err = fmt.Errorf("the reply is not what Ollama sends: %s", shorten(string(r.body), 200))
	}
	if err != nil {
		return nil, fmt.Errorf("reading /api/ps: %w", err)
	}
	return list.Models, nil
}

// isRunning knows that Ollama adds a tag to a name without one.
func isRunning(running []RunningModel, model string) bool {
	return slices.ContainsFunc(running, func(m RunningModel) bool { return m.Name == model || m.Name == model+":latest" })
}

// Details is what Ollama's /api/show tells of a model.
type Details struct {
	Family        string
	Quantization  string
	Parameters    *float64 // how many
	TrainedTokens *int     // context it was trained for
	Template      string   // Go template
	ContextTokens *int     // num_ctx in its Modelfile
}

// Show asks Ollama about the handle's model.
func (s *Side) Show(ctx context.Context) (Details, error) {
	var body struct {
		Template   string `json:"template"`
		Parameters string `json:"parameters"`
		Details    struct {
			Family       string `json:"family"`
			Quantization string `json:"quantization_level"`
		} `json:"details"`
		Info map[string]any `json:"model_info"`
	}
	r, err := s.post(ctx, "/api/show", map[string]any{"model": s.config.Model})
	if err == nil && !r.into(&body) {
		err = fmt.Errorf("the reply is not what Ollama sends: %s", shorten(string(r.body), 200))
	}
	if err != nil {
		return Details{}, fmt.Errorf("reading /api/show: %w", err)
	}
	d := Details{Family: body.Details.Family, Quantization: body.Details.Quantization, Template: body.Template}
	if n, ok := body.Info["general.parameter_count"].(float64); ok {
		d.Parameters = &n
	}
	if arch, ok := body.Info["general.architecture"].(string); ok {
		if n, ok := body.Info[arch+".context_length"].(float64); ok {
			trained := int(n)
			d.TrainedTokens = &trained
		}
	}
	if n, ok := numCtx(body.Parameters); ok {
		d.ContextTokens = &n
	}
	return d, nil
}

// numCtx finds num_ctx in the parameters of a Modelfile, which are lines of a name and a value.
func numCtx(parameters string) (tokens int, ok bool) {
	for line := range strings.Lines(parameters) {
		fields := strings.Fields(line)
		if len(fields) == 2 && fields[0] == "num_ctx" {
			n, err := strconv.Atoi(fields[1])
			return n, err == nil && n > 0
		}
	}
	return 0, false
}
