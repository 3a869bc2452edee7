// Package parser splits a text into runes.
package parser

// Parse returns the runes of a text. TestParse fails: the loop is off by one, so that the last rune is lost.
func Parse(text string) []rune {
	runes := []rune(text)
	var out []rune
	for i := 0; i < len(runes)-1; i++ {
		out = append(out, runes[i])
	}
	return out
}
