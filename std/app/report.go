package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"kcptun/std/config"
	"kcptun/std/metrics"
)

// report is the output of the command check, with --json in this form.
type report struct {
	Program     string            `json:"program"`
	Version     string            `json:"version"`
	Valid       bool              `json:"valid"`
	Fingerprint string            `json:"fingerprint"`
	Settings    []reportedSetting `json:"settings"`
	Warnings    []string          `json:"warnings"`
	Errors      []reportedError   `json:"errors"`
}

type reportedSetting struct {
	Flag   string        `json:"flag"`
	Key    string        `json:"key"`
	Value  any           `json:"value"` // null for the pre-shared key
	Source config.Source `json:"source"`
}

type reportedError struct {
	Flag   string `json:"flag,omitempty"` // set if a single setting is wrong
	Key    string `json:"key,omitempty"`
	Reason string `json:"reason"`
}

// check is the command check: it loads the settings exactly as a start would.
func (v *invocation) check(context.Context, *cli.Command) error {
	r := v.report(v.load())
	if err := v.print(r); err != nil {
		return err
	}
	if !r.Valid {
		return errLogged
	}
	return nil
}

func (v *invocation) report(err error) report {
	c := &v.cfg
	r := report{
		Program: v.app.Role.String(), Version: v.app.Version, Valid: err == nil, Fingerprint: c.Fingerprint(),
		Warnings: append([]string{}, c.Warnings...), Errors: []reportedError{},
	}
	if c.WritesCounters() && metrics.Advice(c.SnmpLog) != "" { // a start logs this when it opens the file
		r.Warnings = append(r.Warnings, metrics.Advice(c.SnmpLog))
	}
	for _, s := range v.app.Role.Settings(c) {
		value := s.Value()
		if s.IsSecret() {
			value = nil
		}
		r.Settings = append(r.Settings, reportedSetting{s.Flag(), s.Key, value, c.Source(s.Name)})
	}
	for _, e := range leaves(err) {
		if setting, is := errors.AsType[*config.Error](e); is {
			r.Errors = append(r.Errors, reportedError{setting.Flag, setting.Key, setting.Reason})
		} else {
			r.Errors = append(r.Errors, reportedError{Reason: e.Error()})
		}
	}
	return r
}

// leaves returns the single errors joined in err.
func leaves(err error) (all []error) {
	if err == nil {
		return nil
	}
	joined, is := err.(interface{ Unwrap() []error })
	if !is {
		return []error{err}
	}
	for _, e := range joined.Unwrap() {
		all = append(all, leaves(e)...)
	}
	return all
}

func (v *invocation) print(r report) error {
	if v.asJSON {
		out := json.NewEncoder(&v.stdout)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		return out.Encode(r)
	}
	w := tabwriter.NewWriter(&v.stdout, 0, 0, 2, ' ', 0)
	for _, s := range r.Settings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", strings.TrimLeft(s.Flag, "-"), s.text(), s.Source)
	}
	w.Flush()
	fmt.Fprintf(&v.stdout, "\nfingerprint %s\n", r.Fingerprint)
	for _, warning := range r.Warnings {
		fmt.Fprintf(&v.stdout, "warning: %s\n", warning)
	}
	for _, e := range r.Errors {
		if e.Flag != "" {
			e.Reason = (&config.Error{Flag: e.Flag, Key: e.Key, Reason: e.Reason}).Error()
		}
		fmt.Fprintf(&v.stdout, "error: %s\n", e.Reason)
	}
	return nil
}

// text returns the value as one word.
func (s reportedSetting) text() string {
	switch v := s.Value.(type) {
	case nil:
		return "(not shown)"
	case string:
		if v == "" || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || !strconv.IsPrint(r) }) {
			return strconv.Quote(v)
		}
	}
	return fmt.Sprint(s.Value)
}
