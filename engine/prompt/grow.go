package prompt

import (
	"context"
	"math/bits"
	"slices"

	"homellm/dsl"
	"homellm/dsl/ceiling"
)

// tokenGrower tokenises only the new part of a growing conversation, so that a server is not sent the whole history at
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
	then     []dsl.Message // after them
	ids      []int
	longer   bool  // another conversation has its own tokens after these, in the same array
	from     int   // the message from which its short form continues; 0: it has none yet
	short    []int // the tokens of that
}

const (
	firstShort    = 4   // messages of a short conversation from the start of the long one
	lastShort     = 8   // and at least this many from before the new ones
	shortStep     = 8   // messages by which a short form moves along; even, for templates that want roles to alternate
	mostNew       = 8   // messages that are tokenised as new
	leastGrown    = 32  // messages: shorter conversations are tokenised whole
	remembered    = 4   // conversations
	roomToGrow    = 512 // tokens: a reply that is longer is copied
	leastAgreeing = 32  // tokens before the new ones that a short form must have in common with the long one
)

// tokenize returns the tokens of messages and of those after them. The caller changes none of them afterwards.
func (g *tokenGrower) tokenize(ctx context.Context, whole tokenize, messages []dsl.Message, then ...dsl.Message) ([]int,
	error) {
	if !g.grows(len(messages) + len(then)) {
		return whole(ctx, messages, then...)
	}
	was := g.find(messages)
	if was == nil {
		return g.start(ctx, whole, messages, then)
	}
	k, ok := was.extended(ctx, whole, messages, then)
	if !ok {
		return g.start(ctx, whole, messages, then)
	}
	if bits.Len(uint(k.len())) > bits.Len(uint(was.len())) {
		ids, err := whole(ctx, messages, then...)
		if err != nil || !slices.Equal(ids, k.ids) {
			g.end()
			return ids, err
		}
	}
	g.keep(k)
	return k.ids, nil
}

// grows reports whether the tokens of a conversation of this many messages may have been joined from parts.
func (g *tokenGrower) grows(messages int) bool { return messages >= leastGrown && !g.apart }

// end makes all conversations be tokenised whole from here on.
func (g *tokenGrower) end() { g.kept, g.apart = nil, true }

// find returns a remembered conversation that this one extends by a few messages or equals; nil if there is none.
func (g *tokenGrower) find(messages []dsl.Message) *grownTokens {
	for _, k := range slices.Backward(g.kept) {
		n := k.len()
		if n <= len(messages) && len(messages)-n <= mostNew && same(k.messages, messages[:len(k.messages)]) &&
			same(k.then, messages[len(k.messages):n]) {
			return k
		}
	}
	return nil
}

// same reports whether messages are equal. Those of one conversation share an array: they need no comparison.
func same(a, b []dsl.Message) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.EqualFunc(a, b, dsl.Message.Equal))
}

func (k *grownTokens) len() int { return len(k.messages) + len(k.then) }

func (g *tokenGrower) keep(k *grownTokens) {
	if len(g.kept) == remembered {
		g.kept = slices.Delete(g.kept, 0, 1)
	}
	g.kept = append(g.kept, k)
}

// start tokenises a conversation whole, and remembers it to grow from.
func (g *tokenGrower) start(ctx context.Context, whole tokenize, messages, then []dsl.Message) ([]int, error) {
	ids, err := whole(ctx, messages, then...)
	if err == nil {
		g.keep(&grownTokens{messages: messages, then: then, ids: ids})
	}
	return ids, err
}

// extended returns the conversation extended to messages, which it begins, and those after them; false if the tokens
// cannot be determined this way.
func (k *grownTokens) extended(ctx context.Context, whole tokenize, messages, then []dsl.Message) (*grownTokens, bool) {
	old := k.len()
	if old == len(messages)+len(then) {
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
	after, err := whole(ctx, slices.Concat(messages[:firstShort], messages[from:], then))
	if err != nil {
		return nil, false
	}
	common := ceiling.Common(k.short, after)
	end := k.short[common:] // of the old prompt, which the new one does not keep: what asks for an answer
	kept := len(k.ids) - len(end)
	agree := min(common, leastAgreeing)
	if kept < agree || !slices.Equal(k.ids[kept:], end) ||
		!slices.Equal(k.ids[kept-agree:kept], k.short[common-agree:common]) {
		return nil, false
	}
	ids := k.followed(kept, after[common:])
	return &grownTokens{messages: messages, then: then, ids: ids, from: from, short: after}, true
}

// followed returns the first tokens, followed by others. They are copied unless they can grow where they are: a prompt
// of 60,000 tokens is half a megabyte, and every turn has two.
func (k *grownTokens) followed(kept int, others []int) []int {
	if kept == len(k.ids) && !k.longer {
		k.longer = true
		return append(k.ids, others...)
	}
	ids := append(make([]int, 0, kept+len(others)+roomToGrow), k.ids[:kept]...)
	return append(ids, others...)
}
