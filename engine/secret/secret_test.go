package secret_test

import (
	"bytes"
	"strings"
	"testing"

	"homellm/engine/secret"
)

const key = `sk-"pla<nted>/4f9c`

func TestAdd_ShortOnesAreRefused(t *testing.T) {
	if err := secret.Add("1234567"); err == nil || strings.Contains(err.Error(), "1234567") {
		t.Errorf("error %v", err)
	}
	if err := secret.Add(""); err != nil {
		t.Error(err)
	}
}

func TestText(t *testing.T) {
	if err := secret.Add(key); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"the key is " + key + ".":               "the key is [key].",
		key + key:                               "[key][key]",
		`{"a":"sk-\"pla<nted>/4f9c"}`:           `{"a":"[key]"}`,
		`{"a":"sk-\"pla\u003cnted\u003e/4f9c"}`: `{"a":"[key]"}`,
		"?k=sk-%22pla%3Cnted%3E%2F4f9c":         "?k=[key]",
		"<p>sk-&#34;pla&lt;nted&gt;/4f9c":       "<p>[key]",
		`sk-"pla<nted`:                          `sk-"pla<nted`,
		"nothing":                               "nothing",
	} {
		if got := secret.Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := string(secret.Stars([]byte("a " + key + " b"))); got != "a "+strings.Repeat("*", len(key))+" b" {
		t.Errorf("%q", got)
	}
}

// A secret is masked wherever a stream is cut.
func TestWriter_InPieces(t *testing.T) {
	if err := secret.Add(key); err != nil {
		t.Fatal(err)
	}
	text := "ss " + key + " sk-" + key + "\nsk-" // begins like the key several times
	for i := range text {
		for j := i; j <= len(text); j++ {
			var b bytes.Buffer
			w := secret.NewWriter(&b)
			for _, piece := range []string{text[:i], text[i:j], text[j:]} {
				if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
					t.Fatal(n, err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if got, want := b.String(), "ss [key] sk-[key]\nsk-"; got != want {
				t.Fatalf("cut at %d and %d: %q, want %q", i, j, got, want)
			}
		}
	}
}

// What cannot be the beginning of a secret is not held back.
func TestWriter_HoldsNothingElse(t *testing.T) {
	if err := secret.Add(key); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := secret.NewWriter(&b).Write([]byte("repeat 1/10")); err != nil || b.String() != "repeat 1/10" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestAddEnvironment(t *testing.T) {
	secret.AddEnvironment([]string{
		"HF_TOKEN=hf_plantedA", "OPENAI_API_KEY=sk-plantedB", "DB_PASSWORD=plantedCCC",
		"HTTPS_PROXY=http://user:plantedDDD@proxy:3128",
		"PWD=/home/ordinary", "MONKEY=ordinary-value", "SSH_KEY=/home/ordinary/.ssh/id", "MAX_TOKEN=1234567890",
		"SHORT_KEY=abc", "URL=http://ordinary.example/path",
	})
	got := secret.Text("hf_plantedA sk-plantedB plantedCCC user:plantedDDD plantedDDD /home/ordinary ordinary-value " +
		"/home/ordinary/.ssh/id 1234567890 abc http://ordinary.example/path")
	if want := "[key] [key] [key] [key] [key] /home/ordinary ordinary-value /home/ordinary/.ssh/id 1234567890 abc " +
		"http://ordinary.example/path"; got != want {
		t.Errorf("%s", got)
	}
}
