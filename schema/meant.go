package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// others are the names that other programs and people have for keys and values of ours. They are compared in small
// letters and without signs between their words.
var others = map[string][]string{
	"ask":           {"question", "prompt", "user", "content", "say", "message", "input", "send", "text"},
	"assert":        {"expect", "expects", "check", "checks", "assertions", "verify", "tests", "gates", "conditions"},
	"conversations": {"prompts", "messages", "turns", "questions", "chats", "dialogs", "dialogues", "sessions"},
	"system":        {"systemprompt", "systemmessage", "instructions", "role", "preamble"},
	"steps":         {"turns", "messages", "prompts", "questions", "actions"},
	"that":          {"condition", "expression", "expr", "check", "if"},
	"api_key":       {"key", "apikey", "token", "apitoken", "auth", "bearer", "authorization", "password"},
	"context":       {"contextlength", "contextwindow", "contexttokens", "maxcontext", "nctx", "ctx", "ctxsize"},
	"sources":       {"repo", "repository", "hf", "huggingface", "gguf", "path", "file"},
	"wait":          {"sleep", "pause", "delay"},
	"inject":        {"document", "documents", "context", "attach"},
	"documents":     {"docs", "files", "corpus"},
	"reply":         {"answer", "response", "assistant"},
	"repeats":       {"iterations", "runs", "times", "n", "count", "samples", "trials", "rounds", "loops"},
	"warmup":        {"warmups", "warmupruns"},
	"users":         {"concurrency", "parallelism", "clients", "threads", "workers", "vus", "parallel"},
	"think_time":    {"delay", "pause", "sleep"},
	"vars":          {"env", "constants", "parameters", "params"},
	"matrix":        {"sweep", "grid", "axes", "variants"},
	"name":          {"title"},
	"max_tokens":    {"npredict", "numpredict", "maxlength", "maxoutputtokens", "outputtokens"},
	"stop":          {"stopsequences", "stopwords", "stopstrings"},
	"attach":        {"url", "address", "baseurl", "endpoint", "host"},
	"url":           {"address", "baseurl", "endpoint", "host", "uri"},
	"launch":        {"command", "cmd", "exec", "start", "run"},

	"fail":     {"error", "critical", "fatal", "high", "blocker"},
	"warn":     {"warning", "info", "low", "notice"},
	"count":    {"none", "ignore", "score"},
	"together": {"parallel", "concurrent", "concurrently", "simultaneous", "async", "atonce", "true"},
	"by_turn":  {"alternate", "alternating", "interleaved", "roundrobin", "turnbyturn"},
}

// OwnName is the key or the value here that others call as it is written, or "".
func OwnName(written string) string { return meant(written, slices.Sorted(maps.Keys(others))) }

// meant is the known name that people call as it is written, or "".
func meant(written string, known []string) string {
	folded := strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(written))
	for _, name := range known {
		if slices.Contains(others[name], folded) {
			return name
		}
	}
	return ""
}

// namedEntries says how to write the entries of a list whose names were written as keys of a mapping, or returns "".
func namedEntries(s *jsonschema.Schema, all map[string]any) string {
	items, isList := resolve(s).Items.(*jsonschema.Schema)
	if !isList || resolve(items).Properties["id"] == nil || len(all) == 0 {
		return ""
	}
	var first string
	for key, value := range all {
		if _, ok := value.(map[string]any); !ok {
			return ""
		}
		if first == "" || key < first {
			first = key
		}
	}
	return fmt.Sprintf(`begin each entry with "- " and its name: - id: %s`, first)
}

// nameless reports whether a schema is of a mapping from any names, to mappings.
func nameless(s *jsonschema.Schema) bool {
	s = resolve(s)
	entries, ok := s.AdditionalProperties.(*jsonschema.Schema)
	return ok && len(s.Properties) == 0 && slices.Contains(resolve(entries).Types, "object")
}
