package server

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"homellm/engine/engines"
)

func TestTokenize(t *testing.T) {
	messages := []engines.Message{{Role: "system", Content: "S"}, {Role: "user", Content: "U"}}
	chat := `[{"role":"system","content":"S"},{"role":"user","content":"U"}]`
	tests := []struct {
		engine string
		text   string // empty: messages
		reply  map[string]string
		sent   string
		ids    int
		err    string
	}{
		{
			engine: "vllm",
			reply:  map[string]string{"/tokenize": `{"count":3,"max_model_len":8192,"tokens":[1,2,3],"token_strs":null}`},
			ids:    3,
			sent:   `/tokenize {"add_generation_prompt":true,"messages":` + chat + `,"model":"m"}`,
		},
		{engine: "sim", text: "hi", reply: map[string]string{"/tokenize": `{"count":1,"tokens":[9]}`}, ids: 1,
			sent: `/tokenize {"add_special_tokens":false,"model":"m","prompt":"hi"}`},
		{engine: "llamacpp", reply: map[string]string{"/apply-template": `{"prompt":"P"}`, "/tokenize": `{"tokens":[5,6]}`},
			ids: 2,
			sent: `/apply-template {"messages":` + chat + `,"model":"m"}/tokenize {"add_special":true,"content":"P",` +
				`"model":"m","parse_special":true}`},
		{engine: "llamacpp", reply: map[string]string{"/apply-template": `{}`}, err: "holds no prompt",
			sent: `/apply-template {"messages":` + chat + `,"model":"m"}`},
		{engine: "tabby", reply: map[string]string{"/v1/token/encode": `{"tokens":[1,2],"length":2}`}, ids: 2,
			sent: `/v1/token/encode {"text":` + chat + `}`},
		{engine: "koboldcpp", text: "hi", reply: map[string]string{"/api/extra/tokencount": `{"value":2,"ids":[1,2]}`},
			ids: 2, sent: `/api/extra/tokencount {"prompt":"hi"}`},
		{engine: "koboldcpp", err: "own adapter"},
		{engine: "ollama", err: "not offered by this engine"},
		{engine: "vllm", reply: map[string]string{"/tokenize": `{"detail":"x"}`}, err: "holds no token ids",
			sent: `/tokenize {"add_generation_prompt":true,"messages":` + chat + `,"model":"m"}`},
		{engine: "vllm", err: "HTTP 404", sent: `/tokenize {"add_generation_prompt":true,"messages":` + chat +
			`,"model":"m"}`},
	}
	for _, tt := range tests {
		t.Run(tt.engine+tt.text+tt.err, func(t *testing.T) {
			var mu sync.Mutex
			var sent strings.Builder
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				mu.Lock()
				defer mu.Unlock()
				sent.WriteString(r.URL.Path + " " + string(body))
				a, ok := tt.reply[r.URL.Path]
				if !ok {
					http.NotFound(w, r)
					return
				}
				fmt.Fprint(w, a)
			}))
			defer s.Close()
			side := sideOf(t, tt.engine, s.URL)
			var ids []int
			var err error
			if tt.text != "" {
				ids, err = side.TokenizeText(t.Context(), tt.text)
			} else {
				ids, err = side.Tokenize(t.Context(), messages)
			}
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(ids) != tt.ids || sent.String() != tt.sent {
				t.Errorf("%d ids, want %d\nsent %s\nwant %s", len(ids), tt.ids, sent.String(), tt.sent)
			}
		})
	}
}
