package tokens

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
	"golang.org/x/text/unicode/norm"
)

// stage turns a text into pieces, as one step from an input to its tokens. First says that the text begins the input.
type stage func(text string, first bool) ([]string, error)

// stageSpec is a normalizer or a pre-tokenizer in a tokenizer.json.
type stageSpec struct {
	Type          string      `json:"type"`
	Normalizers   []stageSpec `json:"normalizers"`
	PreTokenizers []stageSpec `json:"pretokenizers"`
	Prepend       string      `json:"prepend"`
	Content       string      `json:"content"`
	Pattern       pattern     `json:"pattern"`
	Behavior      string      `json:"behavior"`
	Invert        bool        `json:"invert"`
	PrefixSpace   *bool       `json:"add_prefix_space"`
	UseRegex      *bool       `json:"use_regex"`
	Individual    bool        `json:"individual_digits"`
	Replacement   string      `json:"replacement"`
	Scheme        string      `json:"prepend_scheme"`
	Split         *bool       `json:"split"`
}

type pattern struct {
	String *string `json:"String"`
	Regex  *string `json:"Regex"`
}

// stageTypes make the stages that a tokenizer.json can name.
var stageTypes = map[string]func(s stageSpec) ([]stage, error){
	"NFC":       func(stageSpec) ([]stage, error) { return []stage{rewrite(norm.NFC.String)}, nil },
	"Prepend":   prepend,
	"Replace":   replace,
	"ByteLevel": byteLevel,
	"Digits":    func(s stageSpec) ([]stage, error) { return []stage{digits(s.Individual)}, nil },
	"Metaspace": func(s stageSpec) ([]stage, error) { return []stage{metaspace(s)}, nil },
	"Split":     split,
}

// readStages adds the stages of a normalizer or a pre-tokenizer.
func (t *Tokenizer) readStages(raw json.RawMessage) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var s stageSpec
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("parsing the tokenizer's steps: %w", err)
	}
	return t.addStage(s)
}

// addStage adds the stage of one entry. It rejects an unknown type.
func (t *Tokenizer) addStage(s stageSpec) error {
	if s.Type == "Sequence" {
		for _, part := range append(s.Normalizers, s.PreTokenizers...) {
			if err := t.addStage(part); err != nil {
				return err
			}
		}
		return nil
	}
	build, ok := stageTypes[s.Type]
	if !ok {
		return fmt.Errorf("the tokenizer's step %q is not supported", s.Type)
	}
	stages, err := build(s)
	if err != nil {
		return err
	}
	t.bytewise = t.bytewise || s.Type == "ByteLevel"
	t.pipeline = append(t.pipeline, stages...)
	return nil
}

func prepend(s stageSpec) ([]stage, error) {
	return []stage{rewrite(func(text string) string { return s.Prepend + text })}, nil
}

func replace(s stageSpec) ([]stage, error) {
	if s.Pattern.String == nil {
		return nil, errors.New("the tokenizer replaces by a pattern, which is not supported")
	}
	old := *s.Pattern.String
	return []stage{rewrite(func(text string) string { return strings.ReplaceAll(text, old, s.Content) })}, nil
}

// byteLevel may put a space before a text, and splits it by GPT-2's pattern unless that is switched off.
func byteLevel(s stageSpec) (stages []stage, err error) {
	if s.PrefixSpace != nil && *s.PrefixSpace {
		stages = append(stages, rewrite(func(text string) string {
			if strings.HasPrefix(text, " ") {
				return text
			}
			return " " + text
		}))
	}
	if s.UseRegex != nil && !*s.UseRegex {
		return stages, nil
	}
	one, err := splitBy(gpt2Pattern)
	return append(stages, one), err
}

func split(s stageSpec) ([]stage, error) {
	switch {
	case s.Pattern.Regex != nil && (s.Behavior == "Isolated" && !s.Invert || s.Behavior == "Removed" && s.Invert):
		// If the pattern matches everything, which these do, both behaviours keep every piece.
		one, err := splitBy(*s.Pattern.Regex)
		return []stage{one}, err
	case s.Pattern.String != nil && s.Behavior == "MergedWithPrevious" && !s.Invert:
		after := *s.Pattern.String
		return []stage{func(text string, _ bool) ([]string, error) { return strings.SplitAfter(text, after), nil }}, nil
	}
	return nil, fmt.Errorf("the tokenizer splits with the behaviour %q, which is not supported", s.Behavior)
}

// gpt2Pattern is the pattern of a ByteLevel step.
const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// scanned are the patterns of Llama 3 and of Qwen, by the most digits in one piece. The scanner of the estimates
// implements them and takes a tenth of the time.
var scanned = map[string]int{
	beforeDigits + `\p{N}{1,3}` + afterDigits: 3,
	beforeDigits + `\p{N}` + afterDigits:      1,
}

const (
	beforeDigits = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|`
	afterDigits  = `| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// scan splits by one of these patterns.
func scan(digits int) stage {
	return func(text string, _ bool) ([]string, error) {
		out := make([]string, 0, len(text)/4+1)
		for text != "" {
			n := firstWord(text)
			if first, width := decode(text); digits == 1 && unicode.IsNumber(first) {
				n = width
			}
			out = append(out, text[:n])
			text = text[n:]
		}
		return out, nil
	}
}

// splitBy splits by a pattern; text between matches is a piece, too.
func splitBy(expression string) (stage, error) {
	if digits, ok := scanned[expression]; ok {
		return scan(digits), nil
	}
	re, err := regexp2.Compile(expression, regexp2.Unicode)
	if err != nil {
		return nil, fmt.Errorf("the tokenizer's pattern: %w", err)
	}
	return func(text string, _ bool) ([]string, error) {
		matches, err := re.FindAllStringIndex(text, -1)
		if err != nil {
			return nil, err
		}
		out := make([]string, 0, len(matches))
		end := 0
		for _, m := range matches {
			if m[0] > end {
				out = append(out, text[end:m[0]])
			}
			out = append(out, text[m[0]:m[1]])
			end = m[1]
		}
		if end < len(text) {
			out = append(out, text[end:])
		}
		return out, nil
	}, nil
}

func rewrite(f func(string) string) stage {
	return func(text string, _ bool) ([]string, error) { return []string{f(text)}, nil }
}

// digits splits numbers from the rest, and from one another.
func digits(single bool) stage {
	return func(text string, _ bool) ([]string, error) {
		var out []string
		start, inNumber := 0, false
		for i, r := range text {
			if number := unicode.IsNumber(r); i > start && (number != inNumber || number && single) {
				out = append(out, text[start:i])
				start, inNumber = i, number
			} else {
				inNumber = number
			}
		}
		return append(out, text[start:]), nil
	}
}

// metaspace writes spaces as a visible character, as SentencePiece does, with one before the text.
func metaspace(s stageSpec) stage {
	mark := cmp.Or(s.Replacement, "▁")
	scheme := cmp.Or(s.Scheme, "always")
	if s.Scheme == "" && s.PrefixSpace != nil && !*s.PrefixSpace { // the key in older files
		scheme = "never"
	}
	return func(text string, first bool) ([]string, error) {
		text = strings.ReplaceAll(text, " ", mark)
		if (scheme == "always" || scheme == "first" && first) && !strings.HasPrefix(text, mark) {
			text = mark + text
		}
		if s.Split != nil && !*s.Split {
			return []string{text}, nil
		}
		var out []string
		for text != "" {
			_, size := utf8.DecodeRuneInString(text)
			end := strings.Index(text[size:], mark)
			if end < 0 {
				return append(out, text), nil
			}
			out = append(out, text[:size+end])
			text = text[size+end:]
		}
		return out, nil
	}
}

// indexAdded indexes added tokens: some files have thousands with the same beginning.
func (t *Tokenizer) indexAdded(added []addedToken) error {
	t.added, t.lengths = map[string]addedToken{}, map[rune][]int{}
	for _, a := range added {
		if a.Single {
			return fmt.Errorf("the token %q counts as a word only, which is not supported", a.Content)
		}
		if _, twice := t.added[a.Content]; twice || a.Content == "" {
			continue
		}
		t.added[a.Content] = a
		first, width := decode(a.Content)
		if !strings.ContainsRune(t.firsts, first) {
			t.firsts += a.Content[:width]
		}
		if n := len(a.Content); !slices.Contains(t.lengths[first], n) {
			t.lengths[first] = append(t.lengths[first], n)
		}
	}
	for _, list := range t.lengths {
		slices.SortFunc(list, func(a, b int) int { return b - a })
	}
	return nil
}
