package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/exit"
	"homellm/engine/listing"
	"homellm/engine/rendering"
	"homellm/engine/text"
)

type checkFlags struct {
	libraryFlags
	addressFlags
	shown lookFlags
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
	f.shown.add(c, listing.Templated)
	f.addressFlags.add(c, "address of a running server to compare with; MODEL is then one name, or what it serves")
	return c
}

func templateCheck(ctx context.Context, p process, names []string, f checkFlags) error {
	if err := f.shown.check(); err != nil {
		return err
	}
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	if _, err := f.secret(); err != nil {
		return err
	}
	if f.url != "" {
		return checkServer(ctx, p, lib, names, f)
	}
	if len(names) == 0 {
		names = rendering.Templated(lib)
	}
	all, good, found := p.templates(lib), true, listing.OfTemplates()
	tried := map[string]rendering.Trial{} // many models have the same
	for _, name := range names {
		c, err := rendering.Choose(all, lib, name)
		if err != nil {
			return err
		}
		trial, ok := tried[c.Template.Name()]
		if !ok {
			trial = c.Try()
			tried[c.Template.Name()] = trial
		}
		good = good && trial.OK()
		found.Add(name, c.Template.Name(), trial)
	}
	if err := f.shown.write(f.text(p), found); err != nil {
		return err
	}
	if !good {
		return exit.With(exit.Fail)
	}
	return nil
}

// text is where the document goes: a terminal must not act on what templates and servers say.
func (f checkFlags) text(p process) io.Writer {
	if f.shown.format == "json" {
		return p.stdout
	}
	return plain{p.stdout}
}

// checkServer compares our rendering with that of a server.
func checkServer(ctx context.Context, p process, lib *dsl.Library, names []string, f checkFlags) error {
	at := f.addressFlags
	if len(names) > 1 {
		return exit.Errorf(exit.Usage, "name the model that the server has", "--url compares one model")
	}
	key, err := at.key(p)
	if err != nil {
		return err
	}
	address := rendering.Address{URL: at.url, Key: key, From: dsl.Secret{Env: at.keyEnv, File: at.keyFile}}
	s, err := rendering.Reach(ctx, p.templates(lib), lib, strings.Join(names, ""), address)
	if err != nil {
		return err
	}
	defer s.Close()
	found := listing.OfServed(s)
	bad, failed := 0, 0
	for _, conversation := range rendering.Conversations() {
		same, said, err := s.Compare(ctx, conversation.Messages)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		one := listing.Rendered{Name: conversation.Name, Verdict: "same", Detail: said}
		switch {
		case err != nil:
			failed++
			one.Verdict, one.Detail = "unknown", err.Error()
		case !same:
			bad++
			one.Verdict = "different"
		}
		found.Served.Conversations = append(found.Served.Conversations, one)
	}
	if err := f.shown.write(f.text(p), found); err != nil {
		return err
	}
	if failed > 0 {
		return exit.Errorf(exit.Environment, "look at the server's log; homellm doctor --url "+s.Found.URL+
			" says what it can", "%s could not be compared", text.Plural(failed, "conversation"))
	}
	if bad > 0 {
		p.say("hint: the server renders with another template; say which in a models file " +
			"(docs/models.md), or use --chat-template of the server")
		return exit.With(exit.Fail)
	}
	return nil
}
