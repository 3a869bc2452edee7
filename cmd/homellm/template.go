package main

import (
	"github.com/spf13/cobra"
)

func newTemplate(p process) *cobra.Command {
	c := &cobra.Command{
		Use:   "template",
		Short: "Show and check how models see conversations",
		Long: `A model never sees messages: a chat template turns them into one text, with special
tokens between. template shows that text, and checks that it is the right one.`,
	}
	c.AddCommand(newTemplateRender(p), newTemplateCheck(p))
	return c
}
