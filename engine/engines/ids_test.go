package engines

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// A list of tokens is read as the general decoder reads it, whatever is in it.
func TestTokenIDs_AreThoseOfTheDecoder(t *testing.T) {
	for _, list := range []string{"[]", "[ ]", "null", "[0]", "[1,2,3]", "[ 1 , 20,\n\t300 ]", "[-1]", "[1.0]", "[1e2]",
		"[123456789]",
		"[1234567890]", "[99999999999999999999]", `["1"]`, "[1,null]", "[[1]]", "[{}]", "{}", `"x"`, "7", "[true]"} {
		text := `{"tokens": ` + list + `}`
		var got struct{ Tokens tokenIDs }
		var want struct{ Tokens []int }
		gotErr, wantErr := json.Unmarshal([]byte(text), &got), json.Unmarshal([]byte(text), &want)
		if (gotErr != nil) != (wantErr != nil) || wantErr == nil && !reflect.DeepEqual([]int(got.Tokens), want.Tokens) {
			t.Errorf("%s: %v, %v; want %v, %v", list, got.Tokens, gotErr, want.Tokens, wantErr)
		}
	}
}

// Reading a long list allocates only the list.
func TestTokenIDs_AllocateTheListOnly(t *testing.T) {
	raw := []byte("[" + strings.Repeat("12345,", 50_000) + "7]")
	allocs := testing.AllocsPerRun(50, func() { // so that what others allocate meanwhile is less than one each
		if ids, ok := plainIDs(raw); !ok || len(ids) != 50_001 || cap(ids) != len(ids) {
			t.Error(fmt.Sprint(len(ids), cap(ids), ok))
		}
	})
	if allocs > 1 {
		t.Errorf("%.0f allocations, want 1", allocs)
	}
}
