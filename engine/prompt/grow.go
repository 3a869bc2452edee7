package prompt

import (
	"context"
	"math/bits"
	"slices"

	"homellm/dsl"
	"homellm/dsl/ceiling"
)

// tokenGrower tokenises a growing conversation by what is new in it, so that a server is not sent the whole history at
// every turn. New messages add the same tokens to the prompt as to a short conversation, which has the first messages
// of the long one and those before the new ones. This is checked: a conversation is tokenised whole, and compared,
// whenever its length passes a power of two and when a reply reports another count; after a difference all
// conversations are tokenised whole. The zero value has seen no conversation.
type tokenGrower struct {
	kept  []*grownTokens // the conversations that were tokenised last, the latest at the end
	apart bool           // the tokens of a message depend on more than those around it
}

// grownTokens is a conversation that was tokenised.
type grownTokens struct {
	messages []dsl.Message
	ids      []int
	from     int   // the message from which its short form continues; 0: it has none yet
	short    []int // the tokens of that
}

const (
	firstShort    = 4  // messages of a short conversation from the start of the long one
	lastShort     = 8  // and at least so many from before the new ones
	shortStep     = 8  // messages by which a short form moves along; even, for templates that want roles to alternate
	mostNew       = 8  // messages that are tokenised as new
	leastGrown    = 32 // messages: shorter conversations are tokenised whole
	remembered    = 4  // conversations
	leastAgreeing = 32 // tokens before the new ones that a short form must have in common with the long one
)

// tokenize returns the tokens of messages. The caller changes neither afterwards.
func (g *tokenGrower) tokenize(ctx context.Context, messages []dsl.Message, whole tokenize) ([]int, error) {
	if !g.grows(len(messages)) {
		return whole(ctx, messages)
	}
	was := g.find(messages)
	if was == nil {
		return g.anew(ctx, messages, whole)
	}
	k, ok := was.extended(ctx, messages, whole)
	if !ok {
		return g.anew(ctx, messages, whole)
	}
	if bits.Len(uint(len(messages))) > bits.Len(uint(len(was.messages))) {
		ids, err := whole(ctx, messages)
		if err != nil || !slices.Equal(ids, k.ids) {
			g.end()
			return ids, err
		}
	}
	g.keep(k)
	return k.ids, nil
}

// grows reports whether the tokens of so many messages may have been put together.
func (g *tokenGrower) grows(messages int) bool { return messages >= leastGrown && !g.apart }

// end has all conversations tokenised whole from here on.
func (g *tokenGrower) end() { g.kept, g.apart = nil, true }

// find finds a remembered conversation that this one extends by a few messages, or by none; nil: there is none.
func (g *tokenGrower) find(messages []dsl.Message) *grownTokens {
	for _, k := range slices.Backward(g.kept) {
		n := len(k.messages)
		if n <= len(messages) && len(messages)-n <= mostNew &&
			slices.EqualFunc(k.messages, messages[:n], dsl.Message.Equal) {
			return k
		}
	}
	return nil
}

func (g *tokenGrower) keep(k *grownTokens) {
	if len(g.kept) == remembered {
		g.kept = slices.Delete(g.kept, 0, 1)
	}
	g.kept = append(g.kept, k)
}

// anew tokenises a conversation whole, and remembers it.
func (g *tokenGrower) anew(ctx context.Context, messages []dsl.Message, whole tokenize) ([]int, error) {
	ids, err := whole(ctx, messages)
	if err == nil {
		g.keep(&grownTokens{messages: messages, ids: ids})
	}
	return ids, err
}

// extended is a conversation with what messages have more; false if that cannot be told.
func (k *grownTokens) extended(ctx context.Context, messages []dsl.Message, whole tokenize) (*grownTokens, bool) {
	old := len(k.messages)
	if old == len(messages) {
		return k, true
	}
	from := firstShort + (old-lastShort-firstShort)/shortStep*shortStep
	if from != k.from || k.short == nil {
		ids, err := whole(ctx, slices.Concat(messages[:firstShort], messages[from:old]))
		if err != nil {
			return nil, false
		}
		k.from, k.short = from, ids
	}
	after, err := whole(ctx, slices.Concat(messages[:firstShort], messages[from:]))
	if err != nil {
		return nil, false
	}
	same := ceiling.Common(k.short, after)
	end := k.short[same:] // of the old prompt, which the new one does not keep: what asks for an answer
	kept := len(k.ids) - len(end)
	agree := min(same, leastAgreeing)
	if kept < agree || !slices.Equal(k.ids[kept:], end) ||
		!slices.Equal(k.ids[kept-agree:kept], k.short[same-agree:same]) {
		return nil, false
	}
	return &grownTokens{messages: messages, ids: slices.Concat(k.ids[:kept], after[same:]), from: from, short: after}, true
}
