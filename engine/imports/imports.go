// Package imports turns recorded chats and traces into scenarios, with files for long texts, recorded replies, and
// tools with their recorded results. The input is chats that [transcript] has read; the output is files and a list of
// what could not be imported.
//
// It does not know how a scenario is planned or played.
package imports

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"homellm/dsl/syntax"
	"homellm/dsl/transcript"
	"homellm/engine/text"
)

// Options say how a scenario is made.
type Options struct {
	Name  string // of the scenario and of the files beside it
	Of    string // the source, as the user named it
	Waits bool   // make waits from the times of the messages
	Last  int    // most user messages of a chat that become steps; 0: as many as fit
	Chats int    // most chats

	// Image says what is wrong with the contents of an image.
	Image func(data []byte) error

	// Check says what is wrong with a scenario; the map holds the files beside it.
	Check func(scenario []byte, beside map[string][]byte) syntax.Diagnostics
}

// Made is a scenario with the files beside it.
type Made struct {
	Scenario []byte
	Beside   map[string][]byte // by their paths in the folder of the scenario
	Notes    []string          // differences from the chats
	Left     syntax.Diagnostics
	Chats    int
	Steps    int
}

// The limits of a scenario.
const (
	maxSteps  = 1000    // of all chats together
	mostLast  = 50      // user messages of a chat that become steps, by default
	maxGiven  = 4 << 20 // bytes of a file beside a scenario
	maxRounds = 512     // requests for one user message
)

// Make makes a scenario from chats, given their indexes in the file.
func Make(f *transcript.File, which []int, opt Options) (*Made, error) {
	var chats []*transcript.Chat
	var left syntax.Diagnostics
	more := 0
	for _, i := range which {
		if len(chats) == opt.Chats {
			more++
			continue
		}
		chat, found := f.Chat(i)
		if found.Errors() {
			return nil, found
		}
		left = append(left, found...)
		chats = append(chats, chat)
	}
	base := &builder{Options: opt}
	for _, chat := range chats {
		rename(base, chat)
		base.images(chat)
	}
	last := opt.Last
	if last == 0 {
		last = min(mostLast, max(maxSteps/len(chats), 1))
	}
	for {
		b := &builder{Options: opt, last: last, made: &Made{Beside: map[string][]byte{}, Left: left}, ids: map[string]bool{},
			several: len(chats) > 1, notes: slices.Clone(base.notes)}
		if more > 0 {
			b.note("left out: %s, which --limit takes", text.Plural(more, "more chat"))
		}
		err := b.build(f, chats)
		switch {
		case err == nil:
			return b.made, nil
		case errors.Is(err, errTooLarge) && opt.Last == 0 && last > 1:
			last /= 2 // fewer messages become steps, and more are in context from the beginning
		default:
			return nil, err
		}
	}
}

// errTooLarge says that a scenario would exceed the size limit.
var errTooLarge = errors.New("the scenario would be too large: take fewer chats, or fewer of their last messages")

// builder makes one scenario.
type builder struct {
	Options
	last    int
	several bool // more than one chat
	made    *Made
	ids     map[string]bool
	notes   []counted
	texts   map[string]string // files of results, by their text
}

// counted is a note with the number of places that it applies to.
type counted struct {
	text  string
	times int
}

// note records a difference from the chats. Equal notes are counted.
func (b *builder) note(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if i := slices.IndexFunc(b.notes, func(n counted) bool { return n.text == s }); i >= 0 {
		b.notes[i].times++
		return
	}
	b.notes = append(b.notes, counted{s, 1})
}

func (b *builder) build(f *transcript.File, chats []*transcript.Chat) error {
	var all []conversation
	if f.Format == transcript.Mooncake || chats[0].Block != nil {
		all = b.trace(chats)
	} else {
		for i, chat := range chats {
			c, ok := b.chat(chat, i)
			if ok {
				all = append(all, c)
			}
		}
	}
	if len(all) == 0 {
		return errors.New("there is no user message that a step could ask")
	}
	for _, c := range all {
		b.made.Steps += len(c.steps)
	}
	b.made.Chats = len(all)
	b.requests(chats)
	for _, n := range b.notes {
		s := n.text
		if n.times > 1 {
			s += fmt.Sprintf(" (%d times)", n.times)
		}
		b.made.Notes = append(b.made.Notes, s)
	}
	b.made.Scenario = b.write(f, all, chats)
	for name, data := range b.made.Beside {
		if len(data) > maxGiven && !strings.HasPrefix(name, "images/") {
			return fmt.Errorf("%s would have %s, more than the %s that a file beside a scenario may have", name,
				text.Bytes(float64(len(data))), text.Bytes(maxGiven))
		}
	}
	if len(b.made.Scenario) > syntax.MaxBytes {
		return errTooLarge
	}
	found := b.Check(b.made.Scenario, b.made.Beside)
	unread := func(d syntax.Diagnostic) bool { return d.Code == "yaml/size" || d.Code == "yaml/syntax" }
	if slices.ContainsFunc(found, unread) {
		return errTooLarge
	}
	if found.Errors() {
		return fmt.Errorf("what would be written is not a valid scenario: %w", found)
	}
	return nil
}

// requests notes which settings of the chats' requests are left out.
func (b *builder) requests(chats []*transcript.Chat) {
	keys := map[string]bool{}
	for _, c := range chats {
		for key := range c.Request {
			if key != "max_tokens" && key != "max_completion_tokens" {
				keys[key] = true
			}
		}
	}
	var names []string
	for key := range keys {
		names = append(names, short(key))
	}
	slices.Sort(names)
	if more := len(names) - 12; more > 0 {
		names = append(names[:12], fmt.Sprintf("and %d more", more))
	}
	if len(names) > 0 {
		b.note("left out of the requests: %s; temperature is 0, so that runs can be compared, and --model chooses the model",
			strings.Join(names, ", "))
	}
}

// longestReply returns the largest token limit in the requests of the chats; 0 if they have none.
func longestReply(chats []*transcript.Chat) int {
	most := 0
	for _, c := range chats {
		for _, key := range []string{"max_tokens", "max_completion_tokens"} {
			var n int
			if json.Unmarshal(c.Request[key], &n) == nil {
				most = max(most, min(n, 1<<20))
			}
		}
	}
	return most
}

// short returns the beginning of an untrusted text on one line, for a note.
func short(s string) string {
	var b strings.Builder
	for _, r := range text.OneLine(s) {
		if text.Acts(r) {
			b.WriteString(text.Visible(r))
		} else {
			b.WriteRune(r)
		}
		if b.Len() > 60 {
			return b.String() + "…"
		}
	}
	return b.String()
}

// noIdentifier matches characters that identifiers cannot contain.
var noIdentifier = regexp.MustCompile(`[^a-z0-9]+`)

// id makes a unique identifier from a name.
func (b *builder) id(name, otherwise string) string {
	id := strings.Trim(noIdentifier.ReplaceAllString(strings.ToLower(name), "_"), "_")
	if len(id) > 40 {
		id = strings.TrimRight(id[:40], "_")
	}
	if id == "" || id[0] < 'a' {
		id = strings.TrimRight(otherwise+"_"+id, "_")
	}
	for n, first := 2, id; b.ids[id]; n++ {
		id = fmt.Sprintf("%s_%d", first, n)
	}
	b.ids[id] = true
	return id
}

// beside adds a file beside the scenario and returns its path.
func (b *builder) beside(folder, name string, data []byte) string {
	at := path.Join(folder, b.Name, name)
	b.made.Beside[at] = data
	return at
}
