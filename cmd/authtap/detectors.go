package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/rules"
)

func (p *program) detectors() *cobra.Command {
	format := "table"
	cmd := &cobra.Command{
		Use:   "detectors",
		Short: "List what is looked for",
		Args:  arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch format {
			case "table":
				return detectorTable(p.stdout)
			case "markdown":
				_, err := io.WriteString(p.stdout, detectorMarkdown())
				return err
			case "json":
				return detectorJSON(p.stdout)
			}
			return usageError{fmt.Errorf("unknown format %q: it is one of table, json, markdown", format), cmd.CommandPath()}
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "table, json (a line each) or markdown")
	return cmd
}

func detectorTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DETECTOR\tSEVERITY\tFINDS")
	for _, d := range rules.All() {
		fmt.Fprintf(t, "%s\t%v\t%s\n", d.Name, d.Severity, d.Title)
	}
	return t.Flush()
}

// detectorMarkdown gives the table of the README.
func detectorMarkdown() string {
	var b strings.Builder
	b.WriteString("| detector | finds | severity | verdict | references |\n|---|---|---|---|---|\n")
	for _, d := range rules.All() {
		fmt.Fprintf(&b, "| `%s` | %s | %v | %s | %s |\n", d.Name, d.Title, d.Severity, verdictOf(d), strings.Join(d.References(), ", "))
	}
	return b.String()
}

// verdictOf says what the verdict of a detector's findings is about.
func verdictOf(d detect.Detector) string {
	switch {
	case len(d.Windows) > 0:
		return "of the attack"
	case d.Attempt:
		return "of the attempt"
	}
	return "observed"
}

func detectorJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, d := range rules.All() {
		err := enc.Encode(struct {
			Name       string            `json:"name"`
			Title      string            `json:"title"`
			Severity   detect.Severity   `json:"severity"`
			Confidence detect.Confidence `json:"confidence"`
			Attempt    bool              `json:"attempt"`
			References []string          `json:"references"`
			Doc        string            `json:"doc"`
		}{d.Name, d.Title, d.Severity, d.Confidence, d.Attempt, d.References(), strings.TrimSpace(d.Doc)})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *program) explain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain NAME",
		Short: "Say what a detector finds, why it matters and what to do",
		Args:  arguments(1, 1, "the name of a detector"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, d := range rules.All() {
				names = append(names, d.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			d, ok := rules.Find(args[0])
			if !ok {
				return usageError{fmt.Errorf("there is no detector %q: authtap detectors lists them", args[0]), ""}
			}
			_, err := io.WriteString(p.stdout, explanation(d))
			return err
		},
	}
}

// explanation gives all that is known of a detector, as text.
func explanation(d detect.Detector) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\nseverity %v, confidence %v, verdict %s\n", d.Name, d.Title, d.Severity, d.Confidence, verdictOf(d))
	headings := [...]string{"What it finds", "Why it matters", "When it may be wrong", "What to do"}
	for i, paragraph := range strings.SplitN(strings.TrimSpace(d.Doc), "\n\n", len(headings)) {
		fmt.Fprintf(&b, "\n%s\n%s\n", headings[i], wrap(paragraph, "  ", 78))
	}
	fmt.Fprintf(&b, "\nReferences: %s\n", strings.Join(d.References(), ", "))
	if len(d.Options) > 0 {
		b.WriteString("\nOptions, set in the configuration under detectors, " + d.Name + ":\n")
		for _, o := range d.Options {
			fmt.Fprintf(&b, "%s\n", wrap(fmt.Sprintf("%s (%s): %s", o.Name, optionText(o.Default), o.Doc), "  ", 78))
		}
	}
	return b.String()
}

// optionText gives an option's value as a configuration has it.
func optionText(v any) string {
	switch v := v.(type) {
	case []string:
		return "[" + strings.Join(v, ", ") + "]"
	case string:
		if v == "" {
			return `""`
		}
	case time.Duration:
		s := v.String() // 24h0m0s
		if v%time.Minute == 0 {
			s = strings.TrimSuffix(s, "0s")
		}
		if v%time.Hour == 0 {
			s = strings.TrimSuffix(s, "0m")
		}
		return s
	}
	return fmt.Sprint(v)
}

// wrap breaks text into lines of at most width columns, each indented.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+len([]rune(word)) > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len([]rune(word))
	}
	return b.String()
}
