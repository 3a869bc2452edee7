package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/doctor"
	"homellm/engine/exit"
	"homellm/engine/model"
	"homellm/engine/server"
	"homellm/engine/target"
	"homellm/engine/text"
)

type checkFlags struct {
	libraryFlags
	addressFlags
}

func newTemplateCheck(p process) *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check [MODEL...]",
		Short: "Compare templates with their goldens, or with what a server renders",
		Long: `check renders conversations with the template of every model, or of those named,
and compares them with goldens: what Jinja itself makes of the template that the
model's publisher ships. A template without goldens is compiled and tried.

With --url a running server is asked as well: its own rendering where it has a
tokenise endpoint (vLLM, SGLang, llama.cpp, TabbyAPI), else the number of prompt
tokens that it reports for a short request.`,
		ValidArgsFunction: completeModels,
		RunE: func(c *cobra.Command, args []string) error {
			return templateCheck(c.Context(), p, args, f)
		},
	}
	f.libraryFlags.add(c)
	f.addressFlags.add(c, "address of a running server to compare with; MODEL is then one name, or what it serves")
	return c
}

func templateCheck(ctx context.Context, p process, names []string, f checkFlags) error {
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	if _, err := f.secret(); err != nil {
		return err
	}
	if f.url != "" {
		return checkServer(ctx, p, lib, names, f.addressFlags)
	}
	if len(names) == 0 {
		for _, m := range lib.Models {
			if m.Template != "" {
				names = append(names, m.Name)
			}
		}
	}
	bad := 0
	for _, name := range names {
		all, t, _, err := templateOf(p, lib, name)
		if err != nil {
			return err
		}
		wrong, n := all.CheckGoldens(t)
		switch {
		case len(wrong) > 0:
			bad++
			fmt.Fprintf(p.stdout, "%-28s %-20s %d of %d goldens differ\n", name, t.Name(), len(wrong), n)
			for _, w := range wrong {
				fmt.Fprintf(plain{p.stdout}, "  %s\n", w)
			}
		case n == 0:
			stability, err := t.Stable(model.Probe(), model.Options{Placement: model.PlaceMerge}, nil)
			if err != nil {
				bad++
				fmt.Fprintf(plain{p.stdout}, "%-28s %-20s cannot render a plain conversation: %v\n", name, t.Name(), err)
				continue
			}
			fmt.Fprintf(p.stdout, "%-28s %-20s compiles; it has no goldens; %s\n", name, t.Name(), stability)
		default:
			fmt.Fprintf(p.stdout, "%-28s %-20s equals %d goldens\n", name, t.Name(), n)
		}
	}
	if bad > 0 {
		return exit.With(exit.Fail)
	}
	return nil
}

// servedAs is the name by which a server has a model; usual where it lists none that is known to be it.
func servedAs(found server.Found, lib *dsl.Library, m *dsl.Model, usual string) string {
	if m == nil {
		return usual
	}
	for _, one := range found.Models {
		if lib.Recognise(one.ID) == m {
			usual = one.ID
		}
	}
	return usual
}

// known finds the templates of models; the error says which has none.
func known(p process, lib *dsl.Library, names []string) error {
	for _, name := range names {
		if _, _, _, err := templateOf(p, lib, name); err != nil {
			return err
		}
	}
	return nil
}

// checkServer compares our rendering with that of a server.
func checkServer(ctx context.Context, p process, lib *dsl.Library, names []string, at addressFlags) error {
	if len(names) > 1 {
		return exit.Errorf(exit.Usage, "name the model that the server has", "--url compares one model")
	}
	if err := known(p, lib, names); err != nil { // before anything is sent
		return err
	}
	key, err := at.key(p)
	if err != nil {
		return err
	}
	hc := server.NewHTTPClient(key)
	defer hc.CloseIdleConnections()
	found, err := server.Probe(ctx, at.url, hc)
	switch {
	case err != nil:
		return exit.Errorf(exit.Usage, "write it like http://127.0.0.1:8000/v1", "--url: %w", err)
	case found.State != server.Ready:
		return exit.Errorf(exit.Environment, "homellm doctor --url "+found.URL+" says more", "no server is ready at %s: %s",
			found.URL, found.Detail)
	}
	served := ""
	if len(found.Models) > 0 {
		served = found.Models[0].ID
		lib.Adopt(served)
	}
	name := strings.Join(names, "")
	if name == "" {
		name = served
	}
	if name == "" {
		return exit.Errorf(exit.Environment, "name the model: homellm template check MODEL --url …",
			"%s lists no model", found.URL)
	}
	all, t, m, err := templateOf(p, lib, name)
	if err != nil {
		return err
	}
	served = servedAs(found, lib, m, served)
	profile := lib.Server(lib.Attach("check", found.Engine, found.URL))
	side, err := server.NewSide(server.Config{BaseURL: found.URL, Engine: found.Engine, Model: served, Client: hc})
	if err != nil {
		side = nil // an engine that is not known has no side channels: its usage has to do
	}
	if !found.Can("tokenize") {
		side = nil
	}
	fmt.Fprintf(p.stdout, "%s at %s serves %s; template %s\n", found.Label(), found.URL, served, t.Name())
	c := doctor.Rendering{Templates: all, Template: t, Model: m, Side: side}
	if side == nil {
		config := target.ClientConfig(profile, found.URL, key, served)
		config.Stream = false // one count is all that is wanted
		if c.Client, err = client.New(config); err != nil {
			return exit.Errorf(exit.Environment, "", "%w", err)
		}
		defer c.Client.CloseIdle()
	}
	bad, failed := 0, 0
	for _, conversation := range doctor.Conversations() {
		same, said, err := c.Compare(ctx, conversation.Messages)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		verdict := "same"
		switch {
		case err != nil:
			failed++
			verdict, said = "UNKNOWN", err.Error()
		case !same:
			bad++
			verdict = "DIFFERENT"
		}
		fmt.Fprintf(plain{p.stdout}, "  %-9s  %-32s %s\n", verdict, conversation.Name, said)
	}
	if failed > 0 {
		return exit.Errorf(exit.Environment, "look at the server's log; homellm doctor --url "+found.URL+" says what it can",
			"%s could not be compared", text.Plural(failed, "conversation"))
	}
	if bad > 0 {
		p.say("hint: the server renders with another template; say which in a models file " +
			"(docs/models.md), or use --chat-template of the server")
		return exit.With(exit.Fail)
	}
	return nil
}
