package target

import "homellm/dsl"

// Revision is the revision of a model for an engine that the models file pins; empty if it pins none.
func Revision(c *dsl.Cell, engine string) string {
	if c.Model == nil {
		return ""
	}
	on, ok := c.Model.Engines[engine]
	if !ok {
		return ""
	}
	for _, s := range c.Model.Sources {
		if s.Name == on.Source {
			return s.Revision
		}
	}
	return ""
}
