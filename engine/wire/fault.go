package wire

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Fault is an error that a server reports, in any of the formats of the servers.
type Fault struct {
	Message string // one line
	Kind    string // the server's own name for the kind of error
	Code    string
	Page    bool // a web page, not an API's reply
}

// ReadFault reads an error body. It knows the object of OpenAI, vLLM and llama.cpp, the string of Ollama and of
// vLLM's 401, the flat object of older vLLM and SGLang, and FastAPI's detail; anything else is taken as text, so it
// never fails.
func ReadFault(body []byte) Fault {
	var object map[string]any
	if json.Unmarshal(body, &object) != nil {
		var text string
		if json.Unmarshal(body, &text) == nil {
			return Fault{Message: OneLine(text)}
		}
		if text = strings.TrimSpace(string(body)); strings.HasPrefix(text, "<") {
			return ReadPage(text)
		}
		return Fault{Message: OneLine(text)}
	}
	inner := object
	switch e := object["error"].(type) {
	case map[string]any:
		inner = e
	case string:
		inner = map[string]any{"message": e, "type": object["type"], "code": object["code"]}
	}
	f := Fault{Kind: word(inner["type"]), Code: word(inner["code"])}
	for _, key := range []string{"message", "detail", "msg", "error", "title"} {
		if f.Message = OneLine(detail(inner[key])); f.Message != "" {
			break
		}
	}
	if f.Message == "" {
		f.Message = OneLine(string(body))
	}
	return f
}

// detail turns FastAPI's list of complaints, each {loc, msg}, into one text.
func detail(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var parts []string
		for _, item := range v {
			if m, ok := item.(map[string]any); ok {
				parts = append(parts, strings.TrimSpace(fmt.Sprint(word(m["msg"]), " ", location(m["loc"]))))
			}
		}
		return strings.Join(parts, "; ")
	case map[string]any:
		return detail(v["message"])
	}
	return ""
}

func location(v any) string {
	items, _ := v.([]any)
	var parts []string
	for _, item := range items {
		parts = append(parts, word(item))
	}
	if len(parts) == 0 {
		return ""
	}
	return "(" + strings.Join(parts, ".") + ")"
}

// word renders a JSON string or number; any other value gives "".
func word(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// ReadPage names a web page that came where an API's reply was expected.
func ReadPage(page string) Fault {
	f := Fault{Page: true, Message: "a web page"}
	lower := strings.ToLower(page)
	from := strings.Index(lower, "<title>")
	to := strings.Index(lower, "</title>")
	if from >= 0 && to > from && len(lower) == len(page) {
		if title := OneLine(page[from+len("<title>") : to]); title != "" {
			f.Message = fmt.Sprintf("a web page titled %q", title)
		}
	}
	return f
}

// OneLine makes a server's text fit for a message: valid UTF-8, on one line, of bounded length.
func OneLine(text string) string {
	const limit = 600
	cut := len(text) > limit
	if cut {
		text = text[:limit]
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	text = strings.Join(strings.Fields(text), " ")
	if cut {
		text += " …"
	}
	return text
}
