package target

import "homellm/dsl"

// Revision is what the models file pins for a model on an engine; empty where it does not say.
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
