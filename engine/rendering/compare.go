package rendering

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"homellm/engine/client"
	"homellm/engine/engines"
	"homellm/engine/model"
)

// Conversation is one that a server is asked to render.
type Conversation struct {
	Name     string
	Messages []model.Message
}

// Conversations are those that are compared with a server. They differ in what templates differ in.
func Conversations() []Conversation {
	return []Conversation{
		{"one question", []model.Message{{Role: "user", Content: "What is a pump?"}}},
		{
			"with a system message",
			[]model.Message{{Role: "system", Content: "Be brief."}, {Role: "user", Content: "What is a pump?"}},
		},
		{"three turns", model.Probe()},
		{"a system message in the middle", []model.Message{
			{Role: "system", Content: "Be brief."}, {Role: "user", Content: "What is a pump?"},
			{Role: "assistant", Content: "A machine."},
			{Role: "system", Content: "DOC: x = 1"}, {Role: "user", Content: "What is x?"},
		}},
	}
}

// Compare says whether the server makes of a conversation what the template does. The error is that of a
// server that cannot say.
func (s *Served) Compare(ctx context.Context, messages []model.Message) (same bool, said string, err error) {
	prompt, unrendered := s.Template.Render(messages, model.Options{})
	refusal := ""
	if unrendered != nil {
		refusal = unrendered.Error()
	}
	theirs, count, refused, err := s.ask(ctx, messages)
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
	if s.side == nil {
		ours, err := s.All.Count(s.Model, prompt.String(), nil)
		if err != nil {
			return false, "", err
		}
		// Short prompts: an estimate may be off by a few tokens whatever its share.
		off := float64(count - ours.Tokens)
		near := off*off <= (3+ours.Spread*float64(count))*(3+ours.Spread*float64(count))
		return near, fmt.Sprintf("the server counts %d tokens, homellm %s", count, ours), nil
	}
	ours, err := s.side.TokenizeText(ctx, prompt.String())
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
	return false, fmt.Sprintf("the server has %d tokens, homellm %d; they differ from token %d on",
		len(theirs), len(ours), at), nil
}

// ask has the server render a conversation: into tokens where it tokenises, else into their count. What it says if it
// refuses is not an error.
func (s *Served) ask(ctx context.Context, messages []model.Message) (ids []int, count int, refused string, err error) {
	if s.side != nil {
		ids, err = s.side.Tokenize(ctx, messages)
		count = len(ids)
	} else {
		count, err = s.usage(ctx, messages)
	}
	if status, ok := errors.AsType[*engines.StatusError](err); ok && status.Refused() {
		return nil, 0, status.Error(), nil
	}
	return ids, count, "", err
}

// usage asks for one token and reads how many the prompt had.
func (s *Served) usage(ctx context.Context, messages []model.Message) (int, error) {
	zero := 0.0
	p := client.Prompt{Messages: messages, MaxTokens: 1, Temperature: &zero}
	e := s.client.Do(ctx, time.Now(), time.Now(), p)
	switch {
	case e.Usage.Prompt != nil:
		return *e.Usage.Prompt, nil
	case e.Err != nil && e.Status >= http.StatusBadRequest:
		return 0, &engines.StatusError{
			Status:  e.Status,
			Message: strings.TrimPrefix(e.Err.Message, fmt.Sprintf("HTTP %d: ", e.Status)),
		}
	case e.Err != nil:
		return 0, errors.New(e.Err.Message)
	}
	return 0, errors.New("the server does not report how many tokens the prompt had")
}
