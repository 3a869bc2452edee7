package expr

// Phase is where a turn stands in the life of its documents.
type Phase string

// The phases. A conversation that never sees a document stays in Before.
const (
	Before       Phase = "before"        // no document has been injected yet
	WithRAG      Phase = "with_rag"      // at least one document is in context and none has been removed since the last injection
	AfterRemoval Phase = "after_removal" // a document has been removed since the last injection
)

// phases lists the phases in the order of a conversation's life.
var phases = []Phase{Before, WithRAG, AfterRemoval}
