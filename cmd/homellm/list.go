package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/exit"
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
	turns                  int
	declared, counted      int
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
	tags := tagFilter{include: opt.IncludeTags, exclude: opt.ExcludeTags, known: map[string]bool{}}
	opt.IncludeTags, opt.ExcludeTags = nil, nil // over several files a tag is unknown only if no file has it
	var rows []listed
	var all syntax.Diagnostics
	for _, file := range named {
		plan, ds := dsl.Load(file, lib, judge.Vocabulary(), opt)
		if plan == nil {
			all = append(all, ds...)
			continue
		}
		rows = append(rows, conversations(plan, tags)...)
	}
	if len(all) > 0 {
		return all
	}
	if err := tags.unknown(); err != nil {
		return err
	}
	return writeList(plain{p.stdout}, rows, opt.ContextSize)
}

// tagFilter selects conversations over several files.
type tagFilter struct {
	include, exclude []string
	known            map[string]bool
}

func (t tagFilter) wants(tags []string) bool {
	wanted := len(t.include) == 0
	for _, tag := range tags {
		t.known[tag] = true
		for _, i := range t.include {
			wanted = wanted || i == tag
		}
	}
	for _, tag := range tags {
		if slices.Contains(t.exclude, tag) {
			return false
		}
	}
	return wanted
}

func (t tagFilter) unknown() error {
	for _, tag := range append(append([]string{}, t.include...), t.exclude...) {
		if t.known[tag] {
			continue
		}
		var names []string
		for n := range t.known {
			names = append(names, n)
		}
		return exit.Errorf(exit.Invalid, syntax.Suggest(tag, names), "no conversation has the tag %q", tag)
	}
	return nil
}

func conversations(plan *dsl.Plan, tags tagFilter) []listed {
	cell := plan.Cells[0]
	var out []listed
	for _, c := range cell.Scenario.Conversations {
		row := listed{scenario: plan.Name, conversation: c.ID, declared: c.Tokens, counted: cell.Size(c.ID), tags: c.Tags,
			skip: cell.Skip}
		for _, t := range cell.Turns {
			if t.Conversation == c.ID {
				row.turns++
				row.exact = t.Exact
			}
		}
		if tags.wants(c.Tags) {
			out = append(out, row)
		}
	}
	return out
}

func writeList(w io.Writer, rows []listed, context int) error {
	header := []string{"scenario", "conversation", "fits", "tags", "turns", "declared tok", "counted tok"}
	var cells [][]string
	for _, r := range rows {
		declared, counted, fits := "–", strconv.Itoa(r.counted), "yes"
		if r.declared > 0 {
			declared = strconv.Itoa(r.declared)
		}
		if !r.exact {
			counted = "≈ " + counted
		}
		switch {
		case context > 0 && r.counted > context:
			fits = fmt.Sprintf("no: %d over", r.counted-context)
		case r.skip != "":
			fits = "no: " + r.skip
		}
		cells = append(cells, []string{r.scenario, r.conversation, fits, strings.Join(r.tags, ", "), strconv.Itoa(r.turns),
			declared, counted})
	}
	return report.Columns(w, header, cells, 4)
}
