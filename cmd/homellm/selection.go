package main

import (
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/exit"
	"homellm/engine/files"
	"homellm/engine/target"
)

// selection is the flags that select what of a scenario is planned; plan, list and apply share them.
type selection struct {
	servers          []string
	variants         variantsFlag
	model            string
	repeats          count
	contextSize      count
	maxConversations count
	include, exclude []string
	vars             []string
	exactTokens      bool

	choices [][]dsl.Label // of tune: the variants that are played
	find    *dsl.Search   // of tune
}

func (s *selection) add(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&s.servers, "server", nil, "profile to play on, instead of the scenario's own choice")
	s.variants.add(c)
	f.StringVar(&s.model, "model", "", "model to play with, instead of the scenario's own choice")
	f.Var(&s.repeats, "repeats", "measured passes, instead of the scenario's number")
	f.Var(&s.contextSize, "context-size", "context in tokens to plan for, instead of what server and model offer")
	f.Var(&s.maxConversations, "max-conversations", "play at most the first N conversations")
	f.StringSliceVar(&s.include, "include-tags", nil, "play only conversations with any of these tags")
	f.StringSliceVar(&s.exclude, "exclude-tags", nil,
		"leave out conversations with any of these tags; wins over --include-tags")
	f.StringArrayVar(&s.vars, "var", nil, "k=v: value of a variable of the scenario")
	f.BoolVar(&s.exactTokens, "exact-tokens", false,
		"count with the model's own tokenizer.json where it is downloaded; takes about a second to load")
	for name, complete := range map[string]completion{"server": completeServers, "model": completeModels,
		"include-tags": completeTags, "exclude-tags": completeTags} {
		if err := c.RegisterFlagCompletionFunc(name, complete); err != nil {
			panic(err) // the flag was added five lines above
		}
	}
}

func (s *selection) options(p process, lib *dsl.Library) (dsl.Options, error) {
	vars := map[string]string{}
	for _, kv := range s.vars {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return dsl.Options{}, exit.Errorf(exit.Usage, "write --var name=value", "--var %q is not name=value", kv)
		}
		vars[k] = v
	}
	chosen, err := s.variants.chosen()
	if err != nil {
		return dsl.Options{}, err
	}
	tokenizer := p.tokenizer
	if !s.exactTokens {
		tokenizer = nil
	}
	opt := p.templates(lib).PlanOptions(tokenizer)
	opt.Vars, opt.Servers, opt.Model, opt.Repeats = vars, s.servers, s.model, int(s.repeats)
	opt.ContextSize, opt.MaxConversations = int(s.contextSize), int(s.maxConversations)
	opt.IncludeTags, opt.ExcludeTags = s.include, s.exclude
	opt.Variants, opt.Search = s.choices, s.find
	if len(chosen) > 0 && s.choices == nil {
		opt.Variants = [][]dsl.Label{chosen}
	}
	return opt, nil
}

// variantsFlag chooses variants of a profile.
type variantsFlag []string

func (v *variantsFlag) add(c *cobra.Command) {
	c.Flags().StringSliceVar((*[]string)(v), "variant", nil,
		"NAME=VALUE: variant of the server to start, as its profile lists them")
}

// chosen are the variants, as far as the flag tells.
func (v variantsFlag) chosen() (out []dsl.Label, err error) {
	for _, kv := range v {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || name == "" || value == "" {
			return nil, exit.Errorf(exit.Usage, "write --variant ubatch=small", "--variant %q is not name=value", kv)
		}
		out = append(out, dsl.Label{Name: name, Value: value})
	}
	return out, nil
}

// readOnly reads the input of a command that plans and sends nothing: for a file that names no server it assumes the
// simulator.
func readOnly(p process, args []string, s selection, l libraryFlags) ([]dsl.File, *dsl.Library, dsl.Options, error) {
	named, err := files.Scenarios(args, p.stdin)
	if err != nil {
		return nil, nil, dsl.Options{}, err
	}
	lib, err := l.load(p)
	if err != nil {
		return nil, nil, dsl.Options{}, err
	}
	opt, err := s.options(p, lib)
	opt.DefaultServer = target.Simulator
	return named, lib, opt, err
}
