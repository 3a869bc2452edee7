package model

import (
	"math/bits"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"homellm/dsl/ceiling"
)

// grower renders a conversation that extends an earlier one by rendering only what is new. What new messages add to a
// prompt is what they add to a short conversation with the same first messages and the same last messages before
// them, because a template depends only on these. This is checked: a conversation is rendered whole, and compared,
// whenever its length passes a power of two, and a template that fails once is rendered whole from then on. So is a
// conversation whose short form is rejected, or ends differently.
type grower struct {
	whole Renderer

	mu    sync.Mutex
	kept  []grown // the conversations that were rendered last, the latest at the end
	apart bool    // the template depends on more
}

// grown is a conversation that was rendered.
type grown struct {
	messages []Message
	options  Options
	day      string // day of the rendering: a template may print it
	prompt   Prompt
}

const (
	firstKept   = 4  // messages from the start of the long conversation in a short one
	lastKept    = 8  // least messages before the new ones; an even number is left out in between
	mostNew     = 8  // most messages that are rendered as new
	leastWhole  = 32 // messages; shorter conversations are rendered whole
	grownAtOnce = 4  // conversations that are remembered
)

// growing returns a renderer that renders only what each turn adds to a conversation.
func growing(whole Renderer) Renderer {
	g := &grower{whole: whole}
	return g.render
}

func (g *grower) render(messages []Message, opt Options) (Prompt, error) {
	if len(messages) < leastWhole {
		return g.whole(messages, opt)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.apart {
		return g.whole(messages, opt)
	}
	was, ok := g.find(messages, opt)
	if !ok {
		return g.start(messages, opt)
	}
	p, ok := g.extend(was, messages)
	if !ok {
		return g.start(messages, opt)
	}
	if bits.Len(uint(len(messages))) > bits.Len(uint(len(was.messages))) {
		whole, err := g.whole(messages, opt)
		g.apart = err != nil || whole != p
		if g.apart {
			g.kept = nil
			return whole, err
		}
	}
	was.messages, was.prompt = append(was.messages, messages[len(was.messages):]...), p
	g.keep(was)
	return p, nil
}

// find takes out a remembered conversation that this one extends by a few messages, or by none.
func (g *grower) find(messages []Message, opt Options) (found grown, ok bool) {
	at := slices.IndexFunc(g.kept, func(k grown) bool {
		n := len(k.messages)
		return n <= len(messages) && len(messages)-n <= mostNew && k.messages[n-1].Equal(messages[n-1]) && k.day == today() &&
			slices.EqualFunc(k.messages, messages[:n], Message.Equal) && reflect.DeepEqual(k.options, opt)
	})
	if at < 0 {
		return grown{}, false
	}
	found = g.kept[at]
	g.kept = slices.Delete(g.kept, at, at+1)
	return found, true
}

func (g *grower) keep(k grown) {
	if len(g.kept) == grownAtOnce {
		g.kept = slices.Delete(g.kept, 0, 1)
	}
	g.kept = append(g.kept, k)
}

func today() string { return time.Now().Format(time.DateOnly) }

// start renders a conversation whole, and remembers it to grow from.
func (g *grower) start(messages []Message, opt Options) (Prompt, error) {
	p, err := g.whole(messages, opt)
	if err == nil {
		g.keep(grown{slices.Clone(messages), opt, today(), p})
	}
	return p, err
}

// extend renders what a conversation adds to an earlier one; ok is false if that is not possible.
func (g *grower) extend(was grown, messages []Message) (p Prompt, ok bool) {
	old := len(was.messages)
	from := old - lastKept
	from -= (from - firstKept) % 2 // templates that require alternating roles count messages
	short := slices.Concat(messages[:firstKept], messages[from:])
	before, err := g.whole(short[:firstKept+old-from], was.options)
	if err != nil {
		return Prompt{}, false
	}
	after, err := g.whole(short, was.options)
	if err != nil {
		return Prompt{}, false
	}
	// The part of the old prompt that the new one does not keep is short: the generation prompt, or the last question.
	kept := ceiling.CommonText(before.Text, after.Text)
	start, ok := strings.CutSuffix(was.prompt.Text, before.Text[kept:])
	return Prompt{BOS: was.prompt.BOS, Text: start + after.Text[kept:]}, ok
}
