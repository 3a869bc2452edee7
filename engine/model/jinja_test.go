package model

import (
	"errors"
	"testing"
)

// What chat templates use of Jinja means here what it means to Jinja2.
func TestJinjaFeatures(t *testing.T) {
	var features struct {
		Messages []Message `json:"messages"`
		Cases    []struct {
			Source string  `json:"source"`
			Text   *string `json:"text"`
			Error  string  `json:"error"`
		} `json:"cases"`
	}
	readJSON(t, "testdata/features.json", &features)
	for _, tc := range features.Cases {
		template, err := Compile("x", Spec{Jinja: tc.Source, BOS: "<s>"})
		if err != nil {
			t.Errorf("%s\n%v", tc.Source, err)
			continue
		}
		got, err := template.Render(features.Messages, Options{Now: probeTime})
		refusal, refused := errors.AsType[*Refusal](err)
		switch {
		case tc.Text == nil && (!refused || refusal.Why != tc.Error):
			t.Errorf("%s\nrendered %q, %v; want the error %q", tc.Source, got, err, tc.Error)
		case tc.Text != nil && err != nil:
			t.Errorf("%s\n%v", tc.Source, err)
		case tc.Text != nil && got.String() != *tc.Text:
			t.Errorf("%s\n got %q\nwant %q", tc.Source, got, *tc.Text)
		}
	}
}
