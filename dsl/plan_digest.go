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

// digest returns the SHA-256 of values, in hexadecimal. It reads what decides behaviour and
// leaves out what does not: unexported fields, places in files, and the digest of the file
// itself, so that a comment or a blank line changes nothing.
func digest(values ...any) string {
	h := sha256.New()
	for _, v := range values {
		writeDigest(h, reflect.ValueOf(v))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// neutral lists fields that say something about a value and decide nothing, some of one type alone: the title of a
// document is sent.
var neutral = []string{"Pos", "SHA256", "Description", "Conversation.Title"}

// later lists fields that came after the first journals were written. One that is not set is left out, so that the
// digests of those journals still match.
var later = []string{"ReasoningTags"}

// recordedAs gives a type the name by which digests know it. It is that of the package in which the type was when the
// first journals were written: if digests followed every move of a type, those of earlier journals would no longer
// match.
var recordedAs = strings.NewReplacer("expr.", "dsl.", "figure.", "dsl.", "dsl.Isolation", "string", "dsl.Span",
	"string", "dsl.Order", "string", "dsl.HistoryMode", "string", "wire.API", "string", "wire.Message", "dsl.Message",
	"schema.AnswerSchema", "schema.Shape")

// writeDigest writes a value so that different values write different bytes: every value has
// its type, and every list and text its length.
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

// writeFields writes the fields of a struct. Those of an embedded one are fields of the whole: to group
// fields decides nothing.
func writeFields(w io.Writer, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			writeFields(w, v.Field(i))
		case slices.Contains(later, f.Name) && v.Field(i).IsZero():
		case slices.Contains(neutral, f.Name), slices.Contains(neutral, v.Type().Name()+"."+f.Name):
		case f.IsExported():
			fmt.Fprintf(w, "%s=", f.Name)
			writeDigest(w, v.Field(i))
		}
	}
}
