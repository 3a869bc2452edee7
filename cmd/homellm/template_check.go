package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/engines"
	"homellm/engine/model"
	"homellm/engine/prompt"
	"homellm/engine/report"
	"homellm/engine/server"
	"homellm/engine/target"
)

type checkFlags struct {
	libraryFlags
	url string
}

func newTemplateCheck(p process) *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check [MODEL...]",
		Short: "Compare templates with their goldens, or with what a server makes",
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
	f.add(c)
	c.Flags().StringVar(&f.url, "url", "", "address of a running server to compare with; MODEL is then one name, or what it serves")
	return c
}

func templateCheck(ctx context.Context, p process, names []string, f checkFlags) error {
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	if f.url != "" {
		return checkServer(ctx, p, lib, names, f.url)
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
		_, t, _, err := templateOf(lib, name)
		if err != nil {
			return err
		}
		wrong, n := checkGoldens(lib, t)
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
		return &failure{code: exitFail}
	}
	return nil
}

// checkGoldens compares a template with the goldens of its name. A template of a user's file has
// none, also where it replaces a shipped one: what it should be is not known.
func checkGoldens(lib *dsl.Library, t *model.Template) (wrong []string, n int) {
	for _, own := range lib.Templates {
		if own.Name == t.Name() && own.Spec != nil {
			return nil, 0
		}
	}
	goldens, err := model.Goldens(t.Name())
	if err != nil {
		return nil, 0
	}
	for _, g := range goldens {
		if w := g.Check(t); w != "" {
			wrong = append(wrong, w)
		}
	}
	return wrong, len(goldens)
}

// checkConversations are compared with a server. They differ in what templates differ in.
var checkConversations = []struct {
	name     string
	messages []model.Message
}{
	{"one question", []model.Message{{Role: "user", Content: "What is a pump?"}}},
	{"with a system message", []model.Message{{Role: "system", Content: "Be brief."}, {Role: "user", Content: "What is a pump?"}}},
	{"three turns", model.Probe()},
	{"a system message in the middle", []model.Message{
		{Role: "system", Content: "Be brief."}, {Role: "user", Content: "What is a pump?"}, {Role: "assistant", Content: "A machine."},
		{Role: "system", Content: "DOC: x = 1"}, {Role: "user", Content: "What is x?"},
	}},
}

// checkServer compares our rendering with that of a server.
func checkServer(ctx context.Context, p process, lib *dsl.Library, names []string, address string) error {
	if len(names) > 1 {
		return failf(exitUsage, "name the one that the server has", "--url compares one model")
	}
	for _, name := range names { // before anything is sent
		if _, _, _, err := templateOf(lib, name); err != nil {
			return err
		}
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	found, err := server.Probe(ctx, address, nil)
	switch {
	case err != nil:
		return failf(exitUsage, "write it like http://127.0.0.1:8000/v1", "--url: %w", err)
	case found.State != server.Ready:
		return failf(exitEnvironment, "homellm doctor says more", "no server is ready at %s", found.URL)
	}
	served := ""
	if len(found.Models) > 0 {
		served = found.Models[0].ID
	}
	name := served
	if len(names) == 1 {
		name = names[0]
	}
	if name == "" {
		return failf(exitEnvironment, "name the model: homellm template check MODEL --url …", "%s lists no model", found.URL)
	}
	all, t, m, err := templateOf(lib, name)
	if err != nil {
		return err
	}
	if m != nil {
		for _, one := range found.Models {
			if lib.Model(one.ID) == m {
				served = one.ID
			}
		}
	}
	hc := server.NewHTTPClient("")
	defer hc.CloseIdleConnections()
	profile := lib.Server(lib.Attach("check", found.Engine, found.URL))
	side, err := server.NewSide(server.Config{BaseURL: found.URL, Engine: found.Engine, Model: served, Client: hc})
	if err != nil {
		side = nil // an engine that is not known has no side channels: its usage has to do
	}
	if !found.Can("tokenize") {
		side = nil
	}
	fmt.Fprintf(p.stdout, "%s at %s serves %s; template %s\n", found.Label(), found.URL, served, t.Name())
	c := comparison{all: all, template: t, model: m, side: side}
	if side == nil {
		config := target.ClientConfig(profile, found.URL, "", served)
		config.Stream = false // one count is all that is wanted
		if c.client, err = client.New(config); err != nil {
			return failf(exitEnvironment, "", "%w", err)
		}
		defer c.client.CloseIdle()
	}
	bad, failed := 0, 0
	for _, conversation := range checkConversations {
		same, said, err := c.compare(ctx, conversation.messages)
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
		fmt.Fprintf(plain{p.stdout}, "  %-9s  %-32s %s\n", verdict, conversation.name, said)
	}
	if failed > 0 {
		return failf(exitEnvironment, "look at the server's log; homellm doctor --url "+found.URL+" says what it can", "%s could not be compared", report.Plural(failed, "conversation"))
	}
	if bad > 0 {
		fmt.Fprintln(p.stderr, "homellm: hint: the server renders with another template; say which in a models file (docs/models.md), or use --chat-template of the server")
		return &failure{code: exitFail}
	}
	return nil
}

// comparison asks one server for its rendering.
type comparison struct {
	all      *prompt.Templates
	template *model.Template
	model    *dsl.Model
	side     *server.Side
	client   *client.Client
}

// compare says whether the server makes of a conversation what the template does. The error is that of a
// server that cannot say.
func (c comparison) compare(ctx context.Context, messages []model.Message) (same bool, said string, err error) {
	prompt, unrendered := c.template.Render(messages, model.Options{})
	refusal := ""
	if unrendered != nil {
		refusal = unrendered.Error()
	}
	theirs, count, refused, err := c.ask(ctx, messages)
	switch {
	case err != nil:
		return false, "", err
	case refused != "" && refusal != "":
		return true, "both refuse it", nil
	case refused != "":
		return false, fmt.Sprintf("the server refuses it, and the template takes it: %s", refused), nil
	case refusal != "":
		return false, fmt.Sprintf("the server takes it (%d tokens), and the template does not: %s", count, refusal), nil
	}
	if c.side == nil {
		ours, err := c.all.Count(c.model, prompt.String(), nil)
		if err != nil {
			return false, "", err
		}
		// Short prompts: an estimate may be off by a few tokens whatever its share.
		off := float64(count - ours.Tokens)
		near := off*off <= (3+ours.Spread*float64(count))*(3+ours.Spread*float64(count))
		return near, fmt.Sprintf("the server counts %d tokens, homellm %s", count, ours), nil
	}
	ours, err := c.side.TokenizeText(ctx, prompt.String())
	if err != nil {
		return false, "", err
	}
	if slices.Equal(ours, theirs) {
		return true, fmt.Sprintf("%d tokens", len(ours)), nil
	}
	at := 0
	for at < min(len(ours), len(theirs)) && ours[at] == theirs[at] {
		at++
	}
	return false, fmt.Sprintf("the server has %d tokens, homellm %d; they part at token %d", len(theirs), len(ours), at), nil
}

// ask has the server render a conversation: into tokens where it tokenises, else into their count. What it
// says if it refuses is no error.
func (c comparison) ask(ctx context.Context, messages []model.Message) (ids []int, count int, refused string, err error) {
	if c.side != nil {
		list := make([]engines.Message, len(messages))
		for i, m := range messages {
			list[i] = engines.Message{Role: m.Role, Content: m.Content}
		}
		ids, err = c.side.Tokenize(ctx, list)
		count = len(ids)
	} else {
		count, err = c.usage(ctx, messages)
	}
	if status, ok := errors.AsType[*engines.StatusError](err); ok && status.Refused() {
		return nil, 0, status.Error(), nil
	}
	return ids, count, "", err
}

// usage asks for one token and reads how many the prompt had.
func (c comparison) usage(ctx context.Context, messages []model.Message) (int, error) {
	zero := 0.0
	p := client.Prompt{MaxTokens: 1, Temperature: &zero}
	for _, m := range messages {
		p.Messages = append(p.Messages, client.Message{Role: m.Role, Content: m.Content})
	}
	e := c.client.Do(ctx, time.Now(), time.Now(), p)
	switch {
	case e.Usage.Prompt != nil:
		return *e.Usage.Prompt, nil
	case e.Err != nil && e.Status >= http.StatusBadRequest:
		return 0, &engines.StatusError{Status: e.Status, Message: strings.TrimPrefix(e.Err.Message, fmt.Sprintf("HTTP %d: ", e.Status))}
	case e.Err != nil:
		return 0, errors.New(e.Err.Message)
	}
	return 0, errors.New("the server does not report how many tokens the prompt had")
}
