package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/sim"
)

// simulation adds the flags of the simulator. A profile of engine sim may set them too.
func simulation(c *cobra.Command, config *sim.Config) {
	f := c.Flags()
	f.StringVar(&config.GPU, "gpu", "RTX 4090", "GPU whose speed is simulated")
	f.StringVar(&config.Model, "model", "qwen2.5-3b", "model whose speed is simulated")
	f.StringSliceVar(&config.ServedNames, "served-model-name", nil, "names that requests may use")
	f.IntVar(&config.ContextTokens, "max-model-len", 0, "longest prompt and reply together, in tokens")
	f.IntVar(&config.KVTokens, "kv-tokens", 0, "size of the KV cache in tokens, instead of what fits beside the weights")
	f.IntVar(&config.HostTokens, "host-tokens", 0, "tokens that the host's memory keeps of what the KV cache evicts")
	f.IntVar(&config.MaxNumSeqs, "max-num-seqs", 0, "requests that run at once")
	f.Uint64Var(&config.Seed, "seed", 0, "seed of jitter and answers")
	f.Float64Var(&config.Jitter, "jitter", 0, "sigma of a lognormal factor on every step, such as 0.03")
	f.Float64Var(&config.Speed, "speed", 1, "divides every duration")
	f.DurationVar(&config.StartupDelay, "startup-delay", 0, "how long it answers 503 at first")
	f.IntVar(&config.Thinking, "thinking", 160, "tokens of reasoning of a reply that is asked to think")
	f.DurationVar(&config.KeepAlive, "keep-alive", 0,
		"idle time after which the model and its cache are unloaded; 0: never")
	f.DurationVar(&config.LoadTime, "load-time", 2*time.Second, "what loading an unloaded model takes")
	f.BoolVar(&config.NoPrefixCache, "no-prefix-cache", false, "compute every prompt from its start")
	f.BoolVar(&config.NoCachedUsage, "no-cached-usage", false, "never report cached tokens")
}

// configure applies the settings of a profile's launch, except the port: the embedded simulator uses any free one.
func configure(launch *dsl.Launch, config *sim.Config) error {
	if launch == nil {
		return nil
	}
	var c cobra.Command
	chosen := *config
	simulation(&c, config) // which sets every default
	*config = chosen
	for _, flag := range launch.Flags {
		name := strings.ReplaceAll(flag.Name, "_", "-")
		if name == "port" || name == "listen" {
			continue
		}
		values, several := flag.Value.([]string)
		if !several {
			values = []string{fmt.Sprint(flag.Value)}
		}
		for _, v := range values {
			if err := c.Flags().Set(name, v); err != nil {
				return fmt.Errorf("%s:%d:%d: the simulator's flag %s: %w", flag.Pos.File, flag.Pos.Line, flag.Pos.Col, flag.Name,
					err)
			}
		}
	}
	return nil
}

// simulate starts the embedded simulator as the profile of a cell says, and notes once what is simulated.
func simulate(note func(string, ...any)) func(context.Context, *dsl.Cell) (string, string, func(), error) {
	noted := map[string]bool{}
	return func(ctx context.Context, cell *dsl.Cell) (address, what string, stop func(), err error) {
		config := sim.Config{}
		if m := cell.Model; m != nil {
			// A model without figures in the simulator is played with those of the default model, under its own name.
			config.ServedNames = []string{m.Name}
			if sim.Knows(m.Name) {
				config.Model = m.Name
			}
		}
		if cell.Server.ContextTokens > 0 {
			config.ContextTokens = cell.Server.ContextTokens
		}
		if err := configure(cell.Server.Launch, &config); err != nil {
			return "", "", nil, err
		}
		if !noted[config.String()] {
			noted[config.String()] = true
			note("SIMULATED: playing on the embedded simulator (%s), not on a real server", config)
		}
		address, stop, err = sim.Embed(ctx, config)
		return address, config.String(), stop, err
	}
}
