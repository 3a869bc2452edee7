package expr

// Function is a function that an expression may call.
type Function struct {
	Name  string
	Usage string // form of a call
	Doc   string // one sentence

	min, max int  // arguments
	numbers  bool // every argument must be a number
}

// cellFunction selects a cell in overall scope.
const cellFunction = "cell"

// Functions lists the functions for expressions. Of expr's built-ins it has only those that are pure, bounded and
// typed.
var Functions = []Function{
	{"known", "known(x)", "whether every metric that x names was measured", 1, 1, false},
	{"ratio", "ratio(a, b)", "a / b; unknown if b is 0", 2, 2, true},
	{"pct_change", "pct_change(new, old)", "(new - old) / old: 0.1 is 10 % more; unknown if old is 0", 2, 2, true},
	{"within", "within(x, target, tolerance)", "whether x is at most tolerance away from target", 3, 3, true},
	{"abs", "abs(x)", "x without its sign", 1, 1, true},
	{"floor", "floor(x)", "the whole number below x", 1, 1, true},
	{"ceil", "ceil(x)", "the whole number above x", 1, 1, true},
	{"round", "round(x)", "the nearest whole number", 1, 1, true},
	{"min", "min(x, y, ...)", "the smallest of several numbers", 2, 16, true},
	{"max", "max(x, y, ...)", "the largest of several numbers", 2, 16, true},
	{"int", "int(x)", "x as a whole number, without its fraction", 1, 1, false},
	{"float", "float(x)", "x as a number", 1, 1, false},
	{"string", "string(x)", "x as text", 1, 1, false},
	{"conforms", "conforms(text, \"schema\")", "whether the text is JSON that a schema of `schemas:` accepts; a fenced " +
		"block may stand around it", 2, 2, false},
	{"json_path", "json_path(text, \"$.a[0].b\")", "the value at a path of the text, which is JSON with or without a " +
		"fenced block: a text, or a number or truth where it is compared with one; an answer without it fails", 2, 2, false},
	{"number_in", "number_in(text)", "the last number of the text: 1,234.5 is one, a digit within a word is not; an " +
		"answer without any fails", 1, 1, false},
	{"normalised", "normalised(text)", "the text in lower case, without punctuation except in numbers, with single " +
		"spaces between words", 1, 1, false},
	{"similar", "similar(text, text)", "how similar two texts are, from 0 to 1: 1 minus the edit distance " +
		"(Levenshtein) as a share of the longer one", 2, 2, false},
	{"len", "len(x)", "the characters of a text, or the elements of a list", 1, 1, false},
	{"lower", "lower(text)", "the text in lower case", 1, 1, false},
	{"upper", "upper(text)", "the text in capitals", 1, 1, false},
	{"trim", "trim(text)", "the text without white space at either end", 1, 1, false},
	{"split", "split(text, separator)", "the parts of a text, as a list", 2, 2, false},
	{"join", "join(list, separator)", "the texts of a list as one", 2, 2, false},
	{"all", "all(list, # > 1)", "whether the condition holds for every element; unknown if there is none", 2, 2, false},
	{"any", "any(list, # > 1)", "whether it holds for an element; unknown if there is none", 2, 2, false},
	{"none", "none(list, # > 1)", "whether it holds for no element; unknown if there is none", 2, 2, false},
	{"one", "one(list, # > 1)", "whether it holds for exactly one element; unknown if there is none", 2, 2, false},
	{"count", "count(list, # > 1)", "for how many elements it holds", 2, 2, false},
	{"filter", "filter(list, # > 1)", "the elements for which it holds", 2, 2, false},
	{"find", "find(list, # > 1)", "the first element for which it holds; unknown if there is none", 2, 2, false},
	{"map", "map(list, len(#))", "what becomes of every element", 2, 2, false},
	{"sum", "sum(list)", "the sum of the elements; unknown if there is none", 1, 2, false},
	{cellFunction, "cell({axis: value})", "in `overall:`, the cell with these values of its axes, before the name of a " +
		"figure: cell({quant: \"q4\"}).steps.a.ttft_ms.p50; axes that are left out are the same in every cell that the " +
		"assertion names, and it is judged for each of their values", 0, 1, false},
}

// function returns a function by its name.
func function(name string) (Function, bool) {
	for _, f := range Functions {
		if f.Name == name {
			return f, true
		}
	}
	return Function{}, false
}

// functionNames lists the functions that every scope has, in the order of the table.
func functionNames() []string {
	var names []string
	for _, f := range Functions {
		if f.Name != cellFunction {
			names = append(names, f.Name)
		}
	}
	return names
}
