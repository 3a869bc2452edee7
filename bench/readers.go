package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"homellm/engine/client"
)

// reading is a reader's result for one reply.
type reading struct {
	ttft   time.Duration
	tokens []time.Duration // arrival of each, from a common instant
}

// reader is one way to read a stream. Open returns a function that makes one request, over a connection that the next
// call reuses.
type reader struct {
	name string
	open func(base string, tokens int) (func(context.Context) (reading, error), error)
}

// readers are the ways that the table compares.
var readers = []reader{
	{"homellm", openHomellm},
	{"bare loop", openBare},
	{"go-openai", openGoOpenAI},
}

const question = "What is the torque of the M6 screws?"

// openHomellm is the client under test.
func openHomellm(base string, tokens int) (func(context.Context) (reading, error), error) {
	c, err := client.New(client.Config{BaseURL: base, Model: "golden", Stream: true, FirstToken: time.Minute,
		Idle: time.Minute})
	if err != nil {
		return nil, err
	}
	epoch := time.Now()
	prompt := client.Prompt{Messages: []client.Message{{Role: "user", Content: question}}, MaxTokens: tokens}
	return func(ctx context.Context) (reading, error) {
		x := c.Do(ctx, epoch, time.Time{}, prompt)
		if x.Err != nil {
			return reading{}, errors.New(x.Err.Message)
		}
		r := reading{ttft: x.Chunks[0].At - *x.Sent, tokens: make([]time.Duration, 0, len(x.Chunks))}
		for _, k := range x.Chunks {
			r.tokens = append(r.tokens, k.At)
		}
		return r, nil
	}, nil
}

// openBare reads lines with net/http and bufio, finds the data in them, and does nothing else: the minimum for any
// client. It counts every data line with text as a token.
func openBare(base string, tokens int) (func(context.Context) (reading, error), error) {
	h := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	body := []byte(`{"model":"golden","stream":true,"messages":[{"role":"user","content":"` + question + `"}]}`)
	return func(ctx context.Context) (reading, error) {
		r := reading{tokens: make([]time.Duration, 0, tokens)}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/chat/completions", bytes.NewReader(body))
		if err != nil {
			return r, err
		}
		sent := time.Now()
		resp, err := h.Do(req)
		if err != nil {
			return r, err
		}
		defer resp.Body.Close()
		in := bufio.NewReader(resp.Body)
		for {
			line, err := in.ReadSlice('\n')
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return r, err
			}
			if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok && len(data) > 0 && len(r.tokens) < tokens {
				r.tokens = append(r.tokens, time.Since(sent))
			}
		}
		if len(r.tokens) == 0 {
			return r, fmt.Errorf("no token")
		}
		r.ttft = r.tokens[0]
		return r, nil
	}, nil
}

// openGoOpenAI reads with go-openai's own client and Recv.
func openGoOpenAI(base string, tokens int) (func(context.Context) (reading, error), error) {
	cfg := openai.DefaultConfig("")
	cfg.BaseURL = base
	cfg.HTTPClient = &http.Client{Transport: &http.Transport{DisableCompression: true}}
	c := openai.NewClientWithConfig(cfg)
	return func(ctx context.Context) (reading, error) {
		r := reading{tokens: make([]time.Duration, 0, tokens)}
		sent := time.Now()
		s, err := c.CreateChatCompletionStream(ctx, openai.ChatCompletionRequest{
			Model: "golden", Messages: []openai.ChatCompletionMessage{{Role: "user", Content: question}},
		})
		if err != nil {
			return r, err
		}
		defer s.Close()
		for {
			e, err := s.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return r, err
			}
			if len(e.Choices) > 0 && e.Choices[0].Delta.Content != "" {
				r.tokens = append(r.tokens, time.Since(sent))
			}
		}
		if len(r.tokens) == 0 {
			return r, fmt.Errorf("no token")
		}
		r.ttft = r.tokens[0]
		return r, nil
	}, nil
}
