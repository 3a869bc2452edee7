package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"homellm/dsl"
	"homellm/engine/fleet"
	"homellm/engine/results"
	"homellm/engine/target"
)

func (f *applyFlags) addBudget(fl *pflag.FlagSet) {
	fl.Var(
		(*budget)(&f.budget),
		"budget",
		"time for the run, such as 10m: what the planned repeats leave of it is spent on further ones,\n"+
			"on the gates that are least certain, until all are",
	)
}

// budget is a duration of more than 0.
type budget time.Duration

func (b *budget) String() string {
	if *b == 0 {
		return ""
	}
	return time.Duration(*b).String()
}

func (b *budget) Type() string { return "duration" }

func (b *budget) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return errors.New("write a time such as 10m or 1h30m")
	}
	*b = budget(d)
	return nil
}

// changed lists the flags that changed the plan, to be recorded.
func (f applyFlags) changed() []string {
	values := map[string][]string{
		"server": {strings.Join(f.servers, ",")}, "variant": f.variants,
		"url": {target.WithoutUser(f.url)}, "model": {f.model},
		"repeats": {
			fmt.Sprint(f.repeats),
		}, "context-size": {fmt.Sprint(f.contextSize)}, "max-conversations": {fmt.Sprint(f.maxConversations)},
		"budget":       {f.budget.String()},
		"include-tags": {strings.Join(f.include, ",")}, "exclude-tags": {strings.Join(f.exclude, ",")}, "var": f.vars,
	}
	if s := f.search.Of; s != nil {
		values["for"], values["where"] = []string{s.For}, []string{s.Where}
		values["repeats"], values["budget"] = []string{fmt.Sprint(s.Visit)}, []string{s.Budget.String()}
	}
	var out []string
	for _, name := range results.Recorded {
		for _, value := range values[name] {
			if value != "" && value != "0" && value != "0s" {
				out = append(out, "--"+name+"="+value)
			}
		}
	}
	return out
}

// where lists the flags that say where to play and change no plan. They are shown to the user only: a path may
// contain a name that must not be in results.
func (f applyFlags) where() []string {
	var out []string
	for _, path := range f.serverFiles {
		out = append(out, "--servers="+path)
	}
	for _, path := range f.modelFiles {
		out = append(out, "--models="+path)
	}
	out = append(out, f.again()...)
	out = append(out, f.fleet.again()...)
	if f.noSim {
		out = append(out, "--no-sim")
	}
	if f.otlp != "" {
		out = append(out, "--otlp="+f.otlp)
	}
	return out
}

// order is what other machines have to be told to play the plan.
func (f applyFlags) order(plan *dsl.Plan) fleet.Order {
	return fleet.Order{
		File: plan.File, Model: f.model, Vars: f.vars, Repeats: int(f.repeats), ContextSize: int(f.contextSize),
		MaxConversations: int(f.maxConversations), IncludeTags: f.include, ExcludeTags: f.exclude, FailFast: f.failFast,
		NoSim: f.noSim, ExactTokens: f.exactTokens, Alternating: f.alternate,
	}
}
