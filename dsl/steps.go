package dsl

// actions lists every kind of step, in the order of messages. To add one, write a file step_<key>.go and a line here.
var actions = []actionKind{askKind, injectKind, queryKind, removeKind, continueKind, editKind, compactKind, waitKind,
	retrieveKind}
