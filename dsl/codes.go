package dsl

import (
	"homellm/schema"
)

// Code is a code of diagnostics with its meaning.
type Code struct {
	Code string
	Doc  string
}

// Codes lists every code that a diagnostic may have.
var Codes = func() []Code {
	all := []Code{
		{"yaml/size", "the file is larger than any that is written by hand"},
		{"yaml/encoding", "the file is not UTF-8 text, or has control characters"},
		{"yaml/empty", "the file has no content"},
		{"yaml/syntax", "the file is not valid YAML"},
		{"yaml/directive", "lines that start with % are not allowed"},
		{"yaml/documents", "a file holds one YAML document"},
		{"yaml/duplicate-key", "a mapping has the same key twice"},
		{"yaml/key", "a key is not plain text"},
		{"yaml/merge", "merge keys (<<) are not allowed: which value wins differs between YAML readers"},
		{"yaml/tag", "a plain value that starts with ! is a YAML tag, not text: it would silently be lost"},
		{"yaml/alias", "an alias names nothing, names the value that contains it, or multiplies values without bound"},
		{"yaml/null", "an entry of a list is empty"},
		{"yaml/number", "a number that YAML readers read differently, such as 010 (8 or 10), or that is not a finite number"},
		{"yaml/comment", "a text ends before a word that begins with #, as if that were a comment"},
		{"yaml/more", "there are more findings than are listed"},
		{"schema/kind", "the first key does not say what kind of file it is"},
		{"schema/first-key", "schema is not the first key"},
		{"links/alias", "two models have the same alias"},
		{"links/architecture", "figures of a model's architecture contradict each other"},
		{"links/assert", "an assertion is in a place where it cannot be judged"},
		{"links/capability", "what a server can do contradicts itself"},
		{"links/context", "a step needs a document or an earlier turn, and there is none"},
		{"links/document", "a document is not declared, or not in context where it is used"},
		{"links/duplicate", "a name is declared twice"},
		{"links/engine", "an engine does not say what it calls a model"},
		{"links/extends", "a profile extends one that does not exist, or itself"},
		{"links/file", "a document file cannot be read, or is outside the folder of the scenario"},
		{"links/flag", "a flag of a server is out of range or contradicts the profile"},
		{"links/gate", "a gate that could never be judged"},
		{"links/given", "a history that is to be in context cannot be read, or does not go with its conversation"},
		{"links/image", "an image file cannot be read, is none, or is outside the folder of the scenario"},
		{"links/isolation", "repeats would find each other's cache"},
		{"links/kind", "a file of another kind is expected"},
		{"links/metric", "a gate names a metric that does not exist, or has no value for each repeat"},
		{"links/missing-key", "a profile lacks a key, with all that it inherits"},
		{"links/model", "a model is in no models file"},
		{"links/name", "a name that no file can have on every system"},
		{"links/reference", "${…} names nothing"},
		{"links/reply", "a recorded reply is missing, or has no turn"},
		{"links/request", "settings of a request contradict each other"},
		{"links/role", "a message gets a role that it cannot have"},
		{"links/sampling", "the sampling of a request is left to the server"},
		{"links/schema", "a schema is not declared"},
		{"links/secret", "a key is on the command line of a server"},
		{"links/server", "a server is in no servers file, or is abstract"},
		{"links/source", "a model has no such source or file"},
		{"links/step", "a step changes what is not there"},
		{"links/template", "a chat template is not declared"},
		{"links/thinking", "what is said of how a model thinks contradicts itself"},
		{"links/tool", "a tool, its results or recorded calls do not go together"},
		{"links/unsent", "documents are put into a context that is never sent"},
		{"links/unused", "something is declared and not used"},
		{"expr/constant", "an assertion, or a part of it, has the same outcome whatever is measured"},
		{"expr/distribution", "a distribution is used as a number: say which statistic, such as .p50"},
		{"expr/empty", "an expression says nothing"},
		{"expr/float-equal", "== on measured numbers: use within(x, target, tolerance)"},
		{"expr/function", "a function does not exist here, or is called wrongly"},
		{"expr/masked", "a gate replaces an unknown value by one that decides it"},
		{"expr/name", "an expression names something that does not exist, or not in this scope"},
		{"expr/nil", "nil is not a value of this language: ask known(x)"},
		{"expr/rate", "a share from 0 to 1 is compared with a number outside of that"},
		{"expr/schema", "a schema that the file does not declare"},
		{"expr/samples", "a percentile over fewer samples than it takes to know it"},
		{"expr/size", "an expression is too long or too deeply nested"},
		{"expr/syntax", "an expression cannot be read"},
		{"expr/type", "an operator or function gets a value of a type that it does not take"},
		{"plan/ceiling", "a threshold is above what any prefix cache can reach"},
		{"plan/isolation", "the server cannot isolate repeats in the way that is asked for"},
		{"plan/kind", "only a scenario can be planned"},
		{"plan/matrix", "the matrix contradicts itself, or has too many or no combinations"},
		{"plan/model", "a model is in no models file"},
		{"plan/pair", "a server does not serve a model"},
		{"plan/request", "the server has no word for a key of a request"},
		{"plan/thinking", "the model has no words for how a request wants it to think"},
		{"plan/selection", "nothing is left to play"},
		{"plan/size", "the scenario would need more time or memory than any real one, or gives something no time at all"},
		{"plan/server", "a server is in no servers file, or is abstract"},
		{"plan/special", "a text holds what the model reads as a special token"},
		{"plan/tag", "a tag that no conversation has"},
		{"plan/template", "a chat template refuses the messages, or rewrites earlier ones"},
		{"plan/tokens", "a conversation declares fewer tokens than it can reach"},
		{"plan/var", "a variable that the scenario does not have, or a value of another type"},
	}
	for _, r := range schema.Rules {
		all = append(all, Code{"schema/" + r.Name, r.Doc})
	}
	return all
}()
