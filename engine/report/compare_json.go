package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"homellm/engine/compare"
	"homellm/engine/event"
)

// compareSchema is the kind and version of a comparison's JSON.
const compareSchema = "homellm.compare/v1"

// compareJSON renders a comparison for programs.
func compareJSON(b *bytes.Buffer, c compare.Comparison, _ Options) error {
	verdict, code, reason := c.Outcome()
	out := struct {
		Schema    string `json:"schema"`
		Simulated bool   `json:"simulated"`
		compare.Comparison
		Verdict  event.Outcome `json:"verdict"`
		ExitCode int           `json:"exit_code"`
		Reason   string        `json:"reason"`
	}{compareSchema, simulatedSides(c) != "", c, verdict, code, reason}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the comparison: %w", err)
	}
	b.Write(append(jsonText(text), '\n'))
	return nil
}
