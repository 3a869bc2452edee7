package engines

import (
	"bytes"
	"encoding/json"
)

// tokenIDs is a list of token ids in JSON. A prompt has tens of thousands, which are read with every turn: the general
// decoder takes many times as long for them.
type tokenIDs []int

// UnmarshalJSON implements [json.Unmarshaler].
func (ids *tokenIDs) UnmarshalJSON(raw []byte) error {
	if out, ok := plainIDs(raw); ok {
		*ids = out
		return nil
	}
	return json.Unmarshal(raw, (*[]int)(ids))
}

// plainIDs reads a list of plain numbers; false if it holds anything else. The list is JSON.
func plainIDs(raw []byte) ([]int, bool) {
	const mostDigits = 9
	if len(raw) == 0 || raw[0] != '[' {
		return nil, false
	}
	out := make([]int, 0, bytes.Count(raw, []byte(","))+1)
	n, digits := 0, 0
	for _, c := range raw[1:] {
		switch {
		case '0' <= c && c <= '9' && digits < mostDigits:
			n, digits = 10*n+int(c-'0'), digits+1
		case (c == ',' || c == ']') && digits > 0:
			out, n, digits = append(out, n), 0, 0
		case c == ' ', c == '\n', c == '\r', c == '\t', c == ']' && len(out) == 0:
		default:
			return nil, false
		}
	}
	return out, true
}
