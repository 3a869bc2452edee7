package model

import (
	"errors"
	"testing"
)

// Every mistake has a place, also those of which the library tells none.
func TestSyntaxErrorsHaveAPlace(t *testing.T) {
	for _, tc := range []struct {
		jinja     string
		line, col int
	}{
		{"{% for m in messages %}\n{{ m.content }\n{% endfor %}\n", 2, 1},
		{"{{ bos_token }}\nx {% if %}y{% endif %}\n", 2, 3},
		{"é {% for m in %}{{ m }}{% endfor %}", 1, 3},
		{"{# {{ #}{{ x }}\n{% if x %}{% elif %}{% endif %}", 2, 11},
		{"{% set x = %}", 1, 1},
		{"{{ a b }}", 1, 6},                                                          // the library's own
		{"{% for m in messages %}\né {{ m.content | nosuch }}\n{% endfor %}", 2, 18}, // shows only when it is rendered
		{"x\n  {{ messages[0].content.foo.bar }}", 2, 3},
	} {
		_, err := Compile("x", Spec{Jinja: tc.jinja})
		at, ok := errors.AsType[*SyntaxError](err)
		if !ok || at.Line != tc.line || at.Col != tc.col {
			t.Errorf("%q: %v, want %d:%d", tc.jinja, err, tc.line, tc.col)
		}
	}
	for _, jinja := range []string{"{{ raise_exception('no') }}", "{{ messages[1].content.strip() }}"} {
		if _, err := Compile("x", Spec{Jinja: jinja}); err != nil {
			t.Errorf("%q renders some conversation, or says itself what it wants: %v", jinja, err)
		}
	}
}
