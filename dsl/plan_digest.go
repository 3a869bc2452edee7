package dsl

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// digest returns the SHA-256 of values, in hexadecimal. It includes what affects behaviour and leaves out the rest:
// unexported fields, positions in files, and the digest of the file itself. A comment or a blank line changes
// nothing.
func digest(values ...any) string {
	h := sha256.New()
	for _, v := range values {
		writeDigest(h, reflect.ValueOf(v))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// neutral lists fields that describe a value and have no effect, some for one type only: the title of a document is
// sent.
var neutral = []string{"Pos", "SHA256", "Description", "Conversation.Title", "Image.Name",
	"Image.Data",                             // an image has the digest of its data
	"Server.Variants",                        // those that are chosen count
	"Scenario.Condition", "Scenario.Overall"} // parts of the plan

// later lists fields that are newer than the first journals. An unset one is left out, so that the digests in those
// journals still match.
var later = []string{"ReasoningTags", "Given", "Tools", "Rounds", "Sampling.Thinking", "ToolChoice", "Format",
	"Sampling.Model", "Sampling.Numbers", "Images", "Run.Play", "Run.Users", "Assertion.Confidence", "Run.Think",
	"Run.Ramp", "Run.Duration", "Item", "Items", "Server.Chosen", "Scenario.SLO", "Corpora", "Server.Embeddings",
	"Server.Rerank", "Requires.Box"}

// recordedAs maps a type to its name in digests: that of its package when the first journals were written. Otherwise
// moving a type would change the digests, and earlier journals would no longer match.
var recordedAs = strings.NewReplacer("expr.", "dsl.", "figure.", "dsl.", "dsl.Isolation", "string", "dsl.Span",
	"string", "dsl.Order", "string", "dsl.HistoryMode", "string", "wire.API", "string", "wire.Message", "dsl.Message",
	"schema.AnswerSchema", "schema.Shape")

// writeDigest writes a value so that different values give different bytes: every value with its type, and every list
// and text with its length.
func writeDigest(w io.Writer, v reflect.Value) {
	if !v.IsValid() {
		fmt.Fprint(w, "nil;")
		return
	}
	fmt.Fprintf(w, "%s:", recordedAs.Replace(v.Type().String()))
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			fmt.Fprint(w, "nil;")
			return
		}
		writeDigest(w, v.Elem())
	case reflect.Struct:
		writeFields(w, v)
	case reflect.Map:
		all := v.MapKeys()
		slices.SortFunc(all, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		fmt.Fprintf(w, "%d{", len(all))
		for _, k := range all {
			writeDigest(w, k)
			writeDigest(w, v.MapIndex(k))
		}
	case reflect.Slice:
		fmt.Fprintf(w, "%d[", v.Len())
		for i := range v.Len() {
			writeDigest(w, v.Index(i))
		}
	case reflect.String:
		fmt.Fprintf(w, "%d:%s;", v.Len(), v.String())
	default:
		fmt.Fprintf(w, "%v;", v.Interface())
	}
}

// writeFields writes the fields of a struct. Fields of an embedded struct count as fields of the whole, so that
// grouping has no effect.
func writeFields(w io.Writer, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			writeFields(w, v.Field(i))
		case (slices.Contains(later, f.Name) || slices.Contains(later, v.Type().Name()+"."+f.Name)) && v.Field(i).IsZero():
		case slices.Contains(neutral, f.Name), slices.Contains(neutral, v.Type().Name()+"."+f.Name):
		case f.IsExported():
			fmt.Fprintf(w, "%s=", f.Name)
			writeDigest(w, v.Field(i))
		}
	}
}
