package main

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"homellm/dsl/syntax"
	"homellm/engine/exit"
)

// commandsOnly makes a command that has only further commands refuse any other word, with the nearest one that it has.
func commandsOnly(c *cobra.Command) {
	for _, sub := range c.Commands() {
		commandsOnly(sub)
	}
	if c.Runnable() || !c.HasSubCommands() {
		return
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var known []string
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				known = append(known, sub.Name())
			}
		}
		return exit.Errorf(exit.Usage, syntax.SuggestOr(args[0], known, "commands"), "unknown command %q for %q", args[0],
			c.CommandPath())
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
}

// flagError says what is wrong with a flag, and which one was meant.
func flagError(c *cobra.Command, err error) error {
	hint := c.CommandPath() + " --help lists the flags"
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if meant := syntax.Nearest(unknown.GetSpecifiedName(), known); meant != "" {
			hint = "did you mean --" + meant + "?"
		}
	}
	return exit.Errorf(exit.Usage, hint, "%w", err)
}

// count is a flag that holds a number from 1; 0, which cannot be given, means that it was not given.
type count int

func (n *count) String() string { return strconv.Itoa(int(*n)) }

// Type implements [pflag.Value].
func (*count) Type() string { return "int" }

// Set implements [pflag.Value].
func (n *count) Set(text string) error {
	v, err := strconv.Atoi(text)
	if err != nil {
		return errors.New("it is not a whole number")
	}
	if v < 1 {
		return errors.New("it must be at least 1")
	}
	*n = count(v)
	return nil
}
