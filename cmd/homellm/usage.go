package main

import (
	"cmp"
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"homellm/dsl/syntax"
	"homellm/engine/exit"
	"homellm/engine/text"
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
		return unknownCommand(c, args[0])
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
}

// unknownCommand is the error for a word that is no command below another one.
func unknownCommand(of *cobra.Command, typed string) error {
	var known []string
	for _, sub := range of.Commands() {
		if sub.IsAvailableCommand() {
			known = append(known, sub.Name())
		}
	}
	return exit.Errorf(exit.Usage, syntax.SuggestOr(typed, known, "commands"), "unknown command %q for %q", typed,
		of.CommandPath())
}

// commandsInHelp makes `homellm help` refuse what is no command; it would print the help of homellm.
func commandsInHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil {
		return
	}
	help.Args = func(_ *cobra.Command, args []string) error {
		of, rest, err := root.Find(args)
		if err == nil && len(rest) > 0 && of.HasSubCommands() {
			return unknownCommand(of, rest[0])
		}
		return err
	}
}

// plainArguments makes every command say in plain words what is wrong with its arguments, and show how it is called.
func plainArguments(c *cobra.Command) {
	for _, sub := range c.Commands() {
		plainArguments(sub)
	}
	if !c.Runnable() || c.Args == nil {
		return
	}
	fits := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		for _, arg := range args {
			if typed := strings.TrimLeft(arg, "–—"); typed != arg && c.Flags().Lookup(nameOf(typed)) != nil {
				return exit.Errorf(exit.Usage, "write two hyphens: --"+typed, "%q begins with a dash that is no hyphen", arg)
			}
		}
		if fits(c, args) == nil {
			return nil
		}
		form := c.CommandPath() + strings.TrimPrefix(c.Use, c.Name())
		if example := strings.TrimSpace(c.Example); example != "" {
			first, _, _ := strings.Cut(example, "\n")
			form += ", such as " + first
		}
		if len(args) == 0 {
			return exit.Errorf(exit.Usage, form, "an argument is missing")
		}
		if fits(c, args[:len(args)-1]) == nil {
			return exit.Errorf(exit.Usage, form, "%q is one argument more than %s takes", args[len(args)-1], c.CommandPath())
		}
		return exit.Errorf(exit.Usage, form, "%s does not take %s", c.CommandPath(), text.Plural(len(args), "argument"))
	}
}

// nameOf returns the name of a flag as it is typed, without its value.
func nameOf(typed string) string {
	name, _, _ := strings.Cut(typed, "=")
	return name
}

// flagError says what is wrong with a flag, and which one was meant.
func flagError(c *cobra.Command, err error) error {
	hint := c.CommandPath() + " --help lists the flags"
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		typed := cmp.Or(nameOf(unknown.GetSpecifiedShortnames()), unknown.GetSpecifiedName())
		if meant := syntax.Nearest(typed, known); meant != "" {
			hint = "did you mean --" + meant + "?"
		}
	}
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		if form, ok := forms[bad.GetFlag().Value.Type()]; ok && fromGo(bad.Unwrap()) {
			return exit.Errorf(exit.Usage, form.hint, "invalid argument %q for %q flag: it is not %s", bad.GetValue(),
				"--"+bad.GetFlag().Name, form.what)
		}
	}
	return exit.Errorf(exit.Usage, hint, "%w", err)
}

// fromGo reports whether an error comes from the parsers of Go, and not from a type of ours, which says what is wrong.
func fromGo(err error) bool {
	_, number := errors.AsType[*strconv.NumError](err)
	return number || strings.HasPrefix(err.Error(), "time: ")
}

// forms says what the values of a flag are, by its type.
var forms = map[string]struct{ what, hint string }{
	"int":      {"a whole number", "write it in digits, such as 20"},
	"uint64":   {"a whole number of 0 or more", "write it in digits, such as 20"},
	"float64":  {"a number", "write it in digits, such as 0.5"},
	"bool":     {"true or false", "the flag alone means true"},
	"duration": {"a duration", "write a number with its unit, such as 90s, 10m or 1h30m"},
}

// days is a flag for a duration that may be long: 30d and 2w are durations too.
type days time.Duration

func (d *days) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

// Type implements [pflag.Value].
func (*days) Type() string { return "duration" }

// Set implements [pflag.Value].
func (d *days) Set(typed string) error {
	for unit, long := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		n, err := strconv.ParseFloat(strings.TrimSuffix(typed, unit), 64)
		if strings.HasSuffix(typed, unit) && err == nil && math.Abs(n) < 36_500 {
			*d = days(n * float64(long))
			return nil
		}
	}
	v, err := time.ParseDuration(typed)
	if err != nil {
		return errors.New("write it with its unit, such as 30d, 2w or 12h")
	}
	*d = days(v)
	return nil
}

// plainUsage words what cobra says about flags that go together.
func plainUsage(err error) (message, hint string) {
	if m := notSet.FindStringSubmatch(err.Error()); m != nil {
		return "missing: --" + strings.Join(strings.Split(strings.Trim(m[1], `"`), `", "`), " and --"), ""
	}
	if m := together.FindStringSubmatch(err.Error()); m != nil {
		return "--" + strings.Join(strings.Fields(m[1]), " and --") + " exclude each other", "give one of them"
	}
	return err.Error(), "homellm COMMAND --help lists the flags"
}

// The errors of cobra about flags.
var (
	notSet   = regexp.MustCompile(`^required flag\(s\) (".*") not set$`)
	together = regexp.MustCompile(`none of the others can be; \[([^\]]*)\] were all set$`)
)

// count is a flag whose value is at least 1; 0 means that the flag was not given.
type count int

func (n *count) String() string { return strconv.Itoa(int(*n)) }

// Type implements [pflag.Value].
func (*count) Type() string { return "int" }

// Set implements [pflag.Value].
func (n *count) Set(typed string) error {
	v, err := strconv.Atoi(typed)
	if err != nil {
		return errors.New("it is not a whole number")
	}
	if v < 1 {
		return errors.New("it must be at least 1")
	}
	*n = count(v)
	return nil
}
