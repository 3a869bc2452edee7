package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
)

// severalSchema names the document with several runs: each of them has the form of [resultSchema].
const severalSchema = "homellm.results/v1"

// Several is the runs of the scenarios of one command.
type Several struct {
	Runs    []*metrics.Run
	Planned int // number of scenarios to be played
	Code    int // exit code of the error that kept a scenario from being played; 0: none did
}

// Outcome is the most serious of the outcomes, with its scenario.
func (s Several) Outcome() (verdict event.Outcome, exitCode int, reason string) {
	codes := []int{s.Code}
	for _, r := range s.Runs {
		_, code, _ := r.Outcome()
		codes = append(codes, code)
	}
	exitCode = exit.Worst(codes...)
	passed := 0
	for _, r := range s.Runs {
		v, code, why := r.Outcome()
		if code == exit.Pass {
			passed++
		}
		if code == exitCode && verdict == "" && code != exit.Pass {
			verdict, reason = v, r.Started.Scenario.Name+": "+why
		}
	}
	tally := fmt.Sprintf("%d of %d scenarios passed", passed, s.Planned)
	if left := s.Planned - len(s.Runs); left > 0 {
		tally += fmt.Sprintf(", %d not played", left)
	}
	switch {
	case exitCode == exit.Pass && passed < s.Planned:
		return metrics.Inconclusive, exit.Inconclusive, tally
	case exitCode == exit.Pass:
		return event.Pass, exitCode, tally
	case verdict == "":
		return metrics.Broken, exitCode, tally + "; a scenario could not be played to its end"
	}
	return verdict, exitCode, tally + "; " + reason
}

// Overall writes one line with the outcome of several scenarios.
func (s Several) Overall(w io.Writer, opt Options) error {
	return whole(func(b *bytes.Buffer, s Several, opt Options) error {
		verdict, code, reason := s.Outcome()
		out := newScreen(b, opt)
		color := yellow
		switch code {
		case exit.Pass:
			color = green
		case exit.Fail, exit.Environment, exit.Requests:
			color = red
		}
		out.line("%s  %s  %s", "OVERALL", out.paint(strings.ToUpper(string(verdict)), color), terminal(reason))
		return nil
	})(w, s, opt)
}

// severalJSON writes one document with all runs.
func severalJSON(b *bytes.Buffer, s Several, opt Options) error {
	out := struct {
		Schema   string            `json:"schema"`
		Verdict  event.Outcome     `json:"verdict"`
		ExitCode int               `json:"exit_code"`
		Reason   string            `json:"reason"`
		Planned  int               `json:"planned"`
		Runs     []json.RawMessage `json:"runs"`
	}{Schema: severalSchema, Planned: s.Planned, Runs: []json.RawMessage{}}
	out.Verdict, out.ExitCode, out.Reason = s.Outcome()
	for _, r := range s.Runs {
		var one bytes.Buffer
		if err := result(&one, r, opt); err != nil {
			return err
		}
		out.Runs = append(out.Runs, one.Bytes())
	}
	return WriteJSON(b, out)
}

func severalJUnit(b *bytes.Buffer, s Several, _ Options) error { return junitDocument(b, s.Runs, nil) }

// severalTables writes the CSV rows of all runs under one head.
func severalTables(one func(io.Writer, *metrics.Run, Options) error) func(*bytes.Buffer, Several, Options) error {
	return func(b *bytes.Buffer, s Several, opt Options) error {
		for i, r := range s.Runs {
			var table bytes.Buffer
			if err := one(&table, r, opt); err != nil {
				return err
			}
			rows := table.Bytes()
			if i > 0 {
				_, rows, _ = bytes.Cut(rows, []byte("\n"))
			}
			b.Write(rows)
		}
		return nil
	}
}
