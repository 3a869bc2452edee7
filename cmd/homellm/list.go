package main

import (
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/files"
	"homellm/engine/judge"
	"homellm/engine/report"
)

type listFlags struct {
	selection
	libraryFlags
}

func newList(p process) *cobra.Command {
	var f listFlags
	c := &cobra.Command{
		Use:   "list [FILE|DIR|NAME...]",
		Short: "List conversations with their sizes and tags",
		Long: `list shows every conversation of the named scenarios, or of the shipped ones:
its turns, the size its author declares and the size counted at its end (every
prompt and reply), and whether it fits the context.`,
		ValidArgsFunction: completeScenarios,
		RunE: func(_ *cobra.Command, args []string) error {
			return list(p, args, f)
		},
	}
	f.selection.add(c)
	f.libraryFlags.add(c)
	return c
}

// listed is one conversation as a row.
type listed struct {
	scenario, conversation string
	turns                  int // 0: not known
	declared, counted      int // 0: not known
	exact                  bool
	tags                   []string
	skip                   string
}

func list(p process, args []string, f listFlags) error {
	if len(args) == 0 {
		args = files.ShippedNames()
	}
	named, lib, opt, err := readOnly(p, args, f.selection, f.libraryFlags)
	if err != nil {
		return err
	}
	plans, out, all := dsl.LoadAll(named, lib, judge.Vocabulary(), opt)
	if all.Errors() {
		return all
	}
	for _, d := range all {
		if d.Code == "plan/tag" {
			p.say("%s", d.Message)
		}
	}
	return writeList(plain{p.stdout}, rowsOf(plans, out))
}

// rowsOf lists the conversations that are left, and those that do not fit the context that was given, file by file.
func rowsOf(plans []*dsl.Plan, out []dsl.LeftOut) []listed {
	var rows []listed
	seen := map[string]bool{} // a conversation may be left out of several cells
	add := func(r listed) {
		if name := r.scenario + "/" + r.conversation; !seen[name] {
			seen[name] = true
			rows = append(rows, r)
		}
	}
	for _, plan := range plans {
		for _, cell := range plan.Cells {
			for _, r := range conversations(plan.Name, cell) {
				add(r)
			}
		}
	}
	for _, l := range out {
		if l.Context {
			add(listed{scenario: l.Scenario, conversation: l.Conversation.ID, declared: l.Conversation.Tokens, counted: l.Tokens,
				turns: l.Turns, tags: l.Conversation.Tags, skip: l.Reason})
		}
	}
	return rows
}

func conversations(scenario string, cell *dsl.Cell) []listed {
	var out []listed
	for _, c := range cell.Scenario.Conversations {
		row := listed{scenario: scenario, conversation: c.ID, declared: c.Tokens, counted: cell.Size(c.ID), tags: c.Tags,
			skip: cell.Skip}
		for _, t := range cell.Turns {
			if t.Conversation == c.ID {
				row.turns++
				row.exact = t.Exact
			}
		}
		for _, s := range c.Steps {
			if len(cell.Turns) == 0 { // it is skipped before its turns are played dry
				row.turns += s.Do.Turns()
			}
		}
		out = append(out, row)
	}
	return out
}

func writeList(w io.Writer, rows []listed) error {
	header := []string{"scenario", "conversation", "fits", "tags", "turns", "declared tok", "counted tok"}
	known := func(n int) string {
		if n == 0 {
			return "–"
		}
		return strconv.Itoa(n)
	}
	var cells [][]string
	for _, r := range rows {
		counted, fits := known(r.counted), "yes"
		if !r.exact && r.counted > 0 {
			counted = "≈ " + counted
		}
		if r.skip != "" {
			fits = "no: " + r.skip
		}
		cells = append(cells, []string{r.scenario, r.conversation, fits, strings.Join(r.tags, ", "), known(r.turns),
			known(r.declared), counted})
	}
	return report.Columns(w, header, cells, 4)
}
