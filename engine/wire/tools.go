package wire

import "encoding/json"

// ToolCall is one call of a tool that an assistant makes.
type ToolCall struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"` // function
	Function Function `json:"function"`
}

// Function is the name and the arguments of a call. The arguments are JSON as the model wrote it, which need not be
// valid.
type Function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// Call returns a call of a tool.
func Call(id, name, arguments string) ToolCall {
	return ToolCall{ID: id, Type: "function", Function: Function{name, arguments}}
}

// Tool is a tool that a model may call.
type Tool struct {
	Name        string
	Description string
	Parameters  json.RawMessage // a JSON Schema; nil: it takes none
}

// Declared is a tool as chat completions declare it.
type Declared struct {
	Type     string      `json:"type"` // function
	Function Declaration `json:"function"`
}

// Declaration describes a function to a model.
type Declaration struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters"`
}

// Functions returns tools in the form of chat completions and Ollama.
func Functions(tools []Tool) []Declared {
	var out []Declared
	for _, t := range tools {
		d := Declaration(t)
		if t.Parameters == nil {
			d.Parameters = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		out = append(out, Declared{"function", d})
	}
	return out
}

// Which tools a model is to call. Any other choice is the name of the one tool that it must call.
const (
	ChooseAuto     = "auto"     // what it likes
	ChooseNone     = "none"     // none
	ChooseRequired = "required" // at least one
)

// Format is the JSON Schema that a reply is to keep to.
type Format struct {
	Name   string
	Schema json.RawMessage
}

// Chat returns the format in the form of chat completions.
func (f Format) Chat() map[string]any {
	return map[string]any{"type": "json_schema",
		"json_schema": map[string]any{"name": f.Name, "schema": f.Schema, "strict": true}}
}

// Thinking says whether a model is to think before it answers, and how much.
type Thinking struct {
	Level  string // off, on, low, medium or high; empty: as the server does by itself
	Budget *int   // most tokens of thinking; nil: no limit is set
}

// Set reports whether anything is said of thinking.
func (t Thinking) Set() bool { return t.Level != "" || t.Budget != nil }
