package sim

import (
	"slices"
	"strings"
	"testing"
)

const fact = "41 Nm"

func TestAnswerQuotesWhatIsInContext(t *testing.T) {
	doc, question := manual(400), "How tight should the head bolts be?"
	asked := []Message{{"user", doc + question}}
	if got := answer(asked); got != "Tighten the cylinder head bolts to 41 Nm in three passes." {
		t.Errorf("answer %q", got)
	}
	for name, messages := range map[string][]Message{
		"turn":    asked,
		"system":  {{"system", "Be brief.\n\n" + doc}, {"user", question}},
		"message": {{"system", "Be brief."}, {"user", doc}, {"user", question}},
		"later":   {{"user", doc + "What does section one cover?"}, {"assistant", "Hoses."}, {"user", question}},
		"wrapped": {{"user", "[RETRIEVED INFORMATION: x]\nIntro here.\nTighten the cylinder\nhead bolts to 41\nNm. Done.\n" +
			"[END RETRIEVED INFORMATION]\n" + question}},
		"stated": {{"user", "Note that the head bolts take 41 Nm."}, {"assistant", "Noted."}, {"user", question}},
		"list": {{"user", "[RETRIEVED INFORMATION]\n- head bolts: 41 Nm\n- wheel nuts: 90 Nm\n[END RETRIEVED INFORMATION]" +
			question}},
	} {
		if got := answer(messages); !strings.Contains(got, fact) {
			t.Errorf("%s: answer %q does not have the fact", name, got)
		}
	}
	for name, messages := range map[string][]Message{
		"removed":  {{"user", question}, {"assistant", "Tighten the cylinder head bolts to 41 Nm."}, {"user", question}},
		"nothing":  {{"user", question}},
		"question": {{"user", "Is it 41 Nm for the head bolts?"}, {"assistant", "Yes."}, {"user", question}},
		"itself":   {{"user", "I think the head bolts take 41 Nm. " + question}},
		"other":    {{"system", "You are a workshop assistant. Answer from the documents only."}, {"user", question}},
		"chance": {{"system", "The head of the workshop answers the telephone until five."},
			{"user", "Which head bolts need new washers?"}},
	} {
		if got := answer(messages); got != noInformation {
			t.Errorf("%s: answer %q, want none", name, got)
		}
	}
	if got := answer([]Message{{"user", doc}}); got != acknowledged {
		t.Errorf("a document without a question: %q", got)
	}
	if got := answer([]Message{{"system", doc}}); got != noInformation {
		t.Errorf("no user: %q", got)
	}
}

func TestSentences(t *testing.T) {
	text := "One is 3.5 mm. Two, e.g. this one! Three?\n\nHeading without a stop\n- item one\n- item two\n1. first\n" +
		"wrapped\nline of\n12 words. \"Quoted.\" End"
	want := []string{"One is 3.5 mm.", "Two, e.g. this one!", "Three?", "Heading without a stop", "- item one",
		"- item two", "1. first\nwrapped\nline of\n12 words.", "\"Quoted.", "\" End"}
	if got := slices.Collect(sentences(text)); !slices.Equal(got, want) {
		t.Errorf("sentences\n%q, want\n%q", got, want)
	}
}

func TestPassages(t *testing.T) {
	type part struct {
		text     string
		document bool
	}
	var got []part
	for text, document := range passages("a [RETRIEVED INFORMATION: x] b [END RETRIEVED INFORMATION] c [RETRIEVED " +
		"INFORMATION] d") {
		got = append(got, part{text, document})
	}
	if want := []part{{"a ", false}, {" b ", true}, {" c ", false}, {" d", true}}; !slices.Equal(got, want) {
		t.Errorf("passages %v, want %v", got, want)
	}
}

// The reply has the length that was asked for, and reads back as the same tokens.
func TestReplyLengths(t *testing.T) {
	text := "Tighten the cylinder head bolts to 41 Nm in three passes."
	natural := len(tokenize(text)) + 1
	for name, c := range map[string]struct {
		p         sampling
		reasoning int
		tokens    int
		finish    string
	}{
		"natural":      {sampling{MaxTokens: 1000}, 0, natural, "stop"},
		"exact":        {sampling{MaxTokens: natural}, 0, natural, "stop"},
		"one short":    {sampling{MaxTokens: natural - 1}, 0, natural - 1, "length"},
		"one":          {sampling{MaxTokens: 1}, 0, 1, "length"},
		"fixed":        {sampling{MaxTokens: 200, IgnoreEOS: true}, 0, 200, "length"},
		"min max":      {sampling{MaxTokens: 200, MinTokens: 200}, 0, 200, "length"},
		"reasoning":    {sampling{MaxTokens: 1000}, 30, natural + 30, "stop"},
		"all thoughts": {sampling{MaxTokens: 20}, 30, 20, "length"},
	} {
		r := compose(7, text, text, c.reasoning, c.p)
		if len(r.tokens) != c.tokens || r.finish != c.finish {
			t.Errorf("%s: %d tokens, finish %q, want %d, %q", name, len(r.tokens), r.finish, c.tokens, c.finish)
		}
		if got := strings.Join(r.texts, ""); got != r.thought+r.text {
			t.Errorf("%s: the parts give %q, want %q", name, got, r.thought+r.text)
		}
		said := r.tokens[r.reasoning:]
		if r.finish == "stop" {
			said = said[:len(said)-1]
		}
		if !slices.Equal(tokenize(r.text), said) {
			t.Errorf("%s: the text reads back as other tokens", name)
		}
		if again := compose(7, text, text, c.reasoning, c.p); again.text != r.text || again.thought != r.thought {
			t.Errorf("%s: equal requests give different texts", name)
		}
	}
	least := compose(7, text, text, 0, sampling{MaxTokens: 1000, MinTokens: 100})
	if n := len(least.tokens); n < 100 || n > 130 || least.finish != "stop" || !strings.HasPrefix(least.text, text) {
		t.Errorf("at least 100: %d tokens, finish %q, text %q", n, least.finish, least.text)
	}
	if a, b := compose(1, text, text, 0, sampling{MaxTokens: 99, IgnoreEOS: true}),
		compose(2, text, text, 0, sampling{MaxTokens: 99, IgnoreEOS: true}); a.text == b.text {
		t.Error("the seed changes nothing")
	}
}

func TestStops(t *testing.T) {
	text := "Tighten the bolts to 41 Nm. Then wait."
	for name, c := range map[string]struct {
		p    sampling
		text string
		stop any
	}{
		"string":        {sampling{Stop: []string{"to 4"}}, "Tighten the bolts ", "to 4"},
		"included":      {sampling{Stop: []string{"to 4"}, IncludeStop: true}, "Tighten the bolts to 4", "to 4"},
		"first of two":  {sampling{Stop: []string{"Nm", "bolts"}}, "Tighten the ", "bolts"},
		"at once":       {sampling{Stop: []string{"T"}}, "", "T"},
		"absent":        {sampling{Stop: []string{"absent"}}, text, nil},
		"after the min": {sampling{Stop: []string{"the", "wait"}, MinTokens: 6}, "Tighten the bolts to 41 Nm. Then ", "wait"},
		"token":         {sampling{StopTokens: tokenize(" to")}, "Tighten the bolts", tokenize(" to")[0]},
	} {
		c.p.MaxTokens = 100
		r := compose(1, text, text, 0, c.p)
		if r.text != c.text || r.stop != c.stop || r.finish != "stop" {
			t.Errorf("%s: text %q, stop %v, finish %q; want %q, %v", name, r.text, r.stop, r.finish, c.text, c.stop)
		}
		if got := strings.Join(r.texts, ""); got != c.text {
			t.Errorf("%s: the parts give %q, want %q", name, got, c.text)
		}
	}
	held := compose(1, text, text, 0, sampling{MaxTokens: 100, Stop: []string{"boltsX"}})
	if held.texts[0] != "T" || strings.Join(held.texts, "") != text {
		t.Errorf("what may become a stop string is not held back: %q", held.texts)
	}
}

// The whole way: in context the server quotes the fact, after the removal it does not.
func TestForgetsOverHTTP(t *testing.T) {
	virtual(t, Config{}, func(b *bench) {
		question := "How tight should the head bolts be?"
		with := b.ask([]Message{{"user", manual(300) + question}}, nil)
		if !strings.Contains(with.text, fact) || with.finish != "stop" {
			t.Errorf("with the document: %q, finish %q", with.text, with.finish)
		}
		after := b.ask([]Message{{"user", question}, {"assistant", with.text}, {"user", question}},
			fields{"max_tokens": 60, "min_tokens": 60})
		if strings.Contains(after.text, fact) || !strings.HasPrefix(after.text, noInformation) {
			t.Errorf("without it: %q", after.text)
		}
		if got := b.last(); got.Text != after.text || len(got.Messages) != 3 || got.Messages[1].Content != with.text {
			t.Errorf("the ledger has %q and %d messages", got.Text, len(got.Messages))
		}
	})
}
