package main

import (
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/files"
	"homellm/engine/history/index"
	"homellm/engine/judge"
	"homellm/engine/prompt"
	"homellm/engine/results"
)

type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeScenarios offers the shipped names in addition to the shell's files.
func completeScenarios(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, n := range files.ShippedNames() {
		if strings.HasPrefix(n, typed) {
			out = append(out, n)
		}
	}
	return out, cobra.ShellCompDirectiveDefault
}

// completeServers offers the runnable profiles of the shipped file.
func completeServers(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, s := range files.ShippedLibrary().Servers {
		if !s.Abstract {
			names = append(names, s.Name+"\t"+s.Description)
		}
	}
	return lastOf(names, typed), cobra.ShellCompDirectiveNoFileComp
}

func completeModels(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, m := range files.ShippedLibrary().Models {
		names = append(names, m.Name)
	}
	return lastOf(names, typed), cobra.ShellCompDirectiveNoFileComp
}

// completeTags offers the tags of the scenarios named so far, or of all shipped ones.
func completeTags(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		args = files.ShippedNames()
	}
	var tags []string
	lib := files.ShippedLibrary()
	for _, arg := range args {
		if _, err := os.Stat(arg); err != nil && !slices.Contains(files.ShippedNames(), arg) {
			continue
		}
		named, err := files.Scenario(arg)
		if err != nil {
			continue
		}
		for _, f := range named {
			plan, _ := dsl.Load(f, lib, judge.Vocabulary(), prompt.PlanOptions(lib))
			if plan == nil {
				continue
			}
			for _, cell := range plan.Cells {
				for _, c := range cell.Scenario.Conversations {
					tags = append(tags, c.Tags...)
				}
			}
		}
	}
	slices.Sort(tags)
	return lastOf(slices.Compact(tags), typed), cobra.ShellCompDirectiveNoFileComp
}

// completeRuns offers the runs below a folder, the newest first, and the names that stand for one, in addition to the
// shell's files.
func (p process) completeRuns(dir *string, most int) completion {
	return func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		journals, err := p.runs(*dir).Journals()
		if err != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		names := slices.Sorted(maps.Keys(journals))
		slices.Reverse(names)
		names = append([]string{results.Latest + "\tthe newest run",
			results.Previous + "\tthe run before it of the same scenario"}, names...)
		return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, typed) }),
			cobra.ShellCompDirectiveDefault
	}
}

// completeHistories offers the scenarios of which there are runs below a folder, in addition to the shell's files.
func (p process) completeHistories(dir *string) completion {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		x, err := index.Open(c.Context(), p.runs(*dir))
		if err != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		defer x.Close()
		names, err := x.Scenarios(c.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, typed) }),
			cobra.ShellCompDirectiveDefault
	}
}

// lastOf completes the last part of a comma-separated value.
func lastOf(names []string, typed string) []string {
	head := ""
	if k := strings.LastIndexByte(typed, ','); k >= 0 {
		head, typed = typed[:k+1], typed[k+1:]
	}
	var out []string
	for _, n := range names {
		if strings.HasPrefix(n, typed) {
			out = append(out, head+n)
		}
	}
	return out
}
