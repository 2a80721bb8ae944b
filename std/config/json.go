package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ReadJSON overrides settings from the file at path. It joins the errors of all values with
// the wrong type. Unknown keys, and text after the JSON value, add to c.Warnings.
func (c *Config) ReadJSON(r Role, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("-c: %w", err)
	}
	return inFile(path, c.parseJSON(r, data))
}

// inFile adds the file's name to each of the errors that are joined in err.
func inFile(path string, err error) error {
	joined, is := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !is:
		return fmt.Errorf("-c %s: %w", path, err)
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, fmt.Errorf("-c %s: %w", path, e))
	}
	return errors.Join(all...)
}

func (c *Config) parseJSON(r Role, data []byte) error {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // some editors write a byte order mark
	dec := json.NewDecoder(bytes.NewReader(data))
	var keys map[string]json.RawMessage
	if err := dec.Decode(&keys); err != nil {
		return locate(data, err)
	}
	end := dec.InputOffset()
	if at, reason := notUTF8(data[:end]); at >= 0 {
		return errorAt(data, at, "%s", reason)
	}
	if reason := r.foreign(keys); reason != "" {
		return errors.New(reason)
	}
	before := *c
	given, wrong := c.setFields(data[:end])
	c.noteFile(r, keys, &before)
	c.warnTwice(r, given)
	if rest := bytes.TrimSpace(data[end:]); len(rest) > 0 {
		line, column := position(data, end+int64(bytes.Index(data[end:], rest)))
		c.warn("text after the JSON value is ignored, from line %d, column %d on", line, column)
	}
	c.warnUnknown(r, keys)
	return wrong
}

// setFields sets what data gives, which is a JSON object or null and nothing after it. It
// returns the keys that have a value, as often as they have one, and joins the errors of the
// values that have the wrong type.
func (c *Config) setFields(data []byte) (given []string, err error) {
	var wrong []error
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.Token() // the opening brace, or null; parseJSON has checked the syntax
	for dec.More() {
		key, _ := dec.Token()
		var value json.RawMessage
		dec.Decode(&value)
		if string(value) != "null" {
			given = append(given, key.(string))
		}
		if reason := c.setField(key.(string), value); reason != "" {
			wrong = append(wrong, errorAt(data, dec.InputOffset()-int64(len(value)), "%s", reason))
		}
	}
	return given, errors.Join(wrong...)
}

// setField sets the setting of a JSON key, if there is one, or returns what is wrong with
// the value. The addresses of servers may be a list.
func (c *Config) setField(key string, value json.RawMessage) (reason string) {
	if strings.EqualFold(key, "remoteaddr") && value[0] == '[' {
		var list []string
		if err := json.Unmarshal(value, &list); err != nil || len(list) == 0 {
			return fmt.Sprintf("key %q wants a string, or a list of one string or more", key)
		}
		c.RemoteAddr = strings.Join(list, ",")
		return ""
	}
	name, _ := json.Marshal(key) // a string cannot fail
	err := json.Unmarshal(slices.Concat([]byte("{"), name, []byte(":"), value, []byte("}")), c)
	if typed, is := errors.AsType[*json.UnmarshalTypeError](err); is {
		return fmt.Sprintf("key %q wants %s, got %s", typed.Field, jsonName(typed.Type.Kind().String()), typed.Value)
	}
	return ""
}

// foreign explains why the keys look like those of a file for the other end, or returns "".
// A file for both ends has the addresses of both.
func (r Role) foreign(keys map[string]json.RawMessage) string {
	other := Both &^ r
	var theirs []string
	for key := range sortedKeys(keys) {
		if containsFold(r.addresses(), key) {
			return ""
		}
		if containsFold(other.addresses(), key) {
			theirs = append(theirs, strconv.Quote(key))
		}
	}
	if len(theirs) == 0 {
		return ""
	}
	return fmt.Sprintf("this is a %v's file: it has %s, and a %v's has %s", other, strings.Join(theirs, " and "), r, strings.Join(r.addresses(), " and "))
}

// addresses are the JSON keys of the two addresses that only this end uses.
func (r Role) addresses() []string {
	if r == Server {
		return []string{"listen", "target"}
	}
	return []string{"localaddr", "remoteaddr"}
}

// noteFile records which settings the file gives, and warns if they override different
// values from flags or environment variables.
func (c *Config) noteFile(r Role, keys map[string]json.RawMessage, before *Config) {
	var present, overridden []string
	for key, value := range keys {
		if string(value) != "null" {
			present = append(present, key)
		}
	}
	old := r.Settings(before)
	for i, s := range r.Settings(c) {
		if !containsFold(present, s.Key) {
			continue
		}
		switch from := c.Source(s.Name); {
		case s.Value() == old[i].Value():
		case from == FromFlag:
			overridden = append(overridden, s.Flag())
		case from == FromEnvironment:
			overridden = append(overridden, s.env)
		}
		c.Note(s.Name, FromFile)
	}
	if len(overridden) > 0 {
		c.warn("the file that -c names overrides %s", strings.Join(overridden, ", "))
	}
}

// warnTwice reports settings that the file gives more than once: only the last value counts,
// as in the original.
func (c *Config) warnTwice(r Role, given []string) {
	for _, s := range r.Settings(c) {
		times := 0
		for _, key := range given {
			if strings.EqualFold(key, s.Key) {
				times++
			}
		}
		if times > 1 {
			c.warn("JSON key %q is there %d times, and only the last one counts", s.Key, times)
		}
	}
}

// warnUnknown reports keys that this end does not use. Case is ignored.
func (c *Config) warnUnknown(r Role, keys map[string]json.RawMessage) {
	var own, all []string
	for _, s := range settings(c) {
		all = append(all, s.Key)
		if r.sees(s) {
			own = append(own, s.Key)
		}
	}
	for key := range sortedKeys(keys) {
		switch {
		case containsFold(own, key):
		case containsFold(all, key):
			c.warn("JSON key %q is for the other end and is ignored here", key)
		default:
			c.warn("JSON key %q is unknown and is ignored%s", key, DidYouMean(key, own))
		}
	}
}

func containsFold(list []string, s string) bool {
	for _, v := range list {
		if strings.EqualFold(v, s) {
			return true
		}
	}
	return false
}

// locate adds line and column to an error of encoding/json. If the cause is the text's
// encoding, it says so.
func locate(data []byte, err error) error {
	var syntax *json.SyntaxError
	var typed *json.UnmarshalTypeError
	bad, reason := notUTF8(data)
	switch {
	case errors.As(err, &syntax):
		at := syntax.Offset - 1 // the offset is one past the offending byte
		if bad >= 0 && bad <= at {
			return errorAt(data, bad, "%s", reason)
		}
		return errorAt(data, at, "%s", explainSyntax(data, at, syntax))
	case errors.As(err, &typed):
		return errorAt(data, typed.Offset-1, "a JSON object is wanted, got %s", typed.Value)
	case bad >= 0:
		return errorAt(data, bad, "%s", reason)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errorAt(data, int64(len(data)), "the text ends before the JSON value does")
	}
	return err
}

// errorAt returns an error that begins with line and column of an offset. Both count from
// 1; columns are characters.
func errorAt(data []byte, offset int64, format string, args ...any) error {
	line, column := position(data, offset)
	return fmt.Errorf("line %d, column %d: %s", line, column, fmt.Sprintf(format, args...))
}

func jsonName(kind string) string {
	switch kind {
	case "int":
		return "a whole number"
	case "bool":
		return "true or false"
	}
	return "a " + kind
}

func position(data []byte, offset int64) (line, column int) {
	before := data[:max(0, min(offset, int64(len(data))))]
	line = bytes.Count(before, []byte("\n")) + 1
	return line, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
}
