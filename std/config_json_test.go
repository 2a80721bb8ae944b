package std

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"kcptun/std/testkit"
)

func TestJSONOverridesOnlyItsKeys(t *testing.T) {
	c := DefaultConfig(Client)
	c.MTU, c.NoComp = 1200, true // as flags would
	err := c.parseJSON(Client, []byte(`{"key":"k","sndwnd":77,"NoDelay":1,"QPP-Count":63,"nocomp":false}`))
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig(Client)
	want.MTU, want.Key, want.SndWnd, want.NoDelay, want.QPPCount = 1200, "k", 77, 1, 63
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
}

// Every field of Config has its key in the table of settings, and the table's
// key reaches the table's field.
func TestJSONReachesEverySetting(t *testing.T) {
	var c Config
	for _, s := range settings(&c) {
		value := map[reflect.Kind]string{reflect.Int: "41", reflect.Bool: "true", reflect.String: `"x"`}[reflect.TypeOf(s.value).Elem().Kind()]
		for _, key := range []string{s.key, strings.ToUpper(s.key)} {
			reflect.ValueOf(s.value).Elem().SetZero()
			if err := c.parseJSON(s.roles, []byte(`{"`+key+`":`+value+`}`)); err != nil {
				t.Error(err)
			}
			if reflect.ValueOf(s.value).Elem().IsZero() {
				t.Errorf("JSON key %q does not reach --%s", key, s.name)
			}
		}
	}
	if len(c.Warnings) > 0 {
		t.Error(c.Warnings)
	}
	if fields := reflect.TypeOf(c).NumField() - 1; fields != len(settings(&c)) { // less Warnings
		t.Errorf("%d fields, %d settings", fields, len(settings(&c)))
	}
}

func TestJSONWarnings(t *testing.T) {
	for _, tt := range []struct {
		role Role
		text string
		want []string // a part of each warning, in order
	}{
		{Client, `{"mtu":1300}`, nil},
		{Client, `{"rcvwind":1,"sndwnd":2}`, []string{`"rcvwind" is unknown and is ignored; did you mean "rcvwnd"?`}},
		{Client, `{"Rcv_Wnd":1}`, []string{`"Rcv_Wnd" is unknown and is ignored; did you mean "rcvwnd"?`}},
		{Client, `{"qppcount":1}`, []string{`did you mean "qpp-count"?`}},
		{Client, `{"_comment":"x"}`, []string{`"_comment" is unknown and is ignored`}},
		{Client, `{"":1,"b":2,"Warnings":[]}`, []string{`""`, `"Warnings"`, `"b"`}},
		{Client, `{"target":"x","LISTEN":"y"}`, []string{`"LISTEN" is for the other end`, `"target" is for the other end`}},
		{Server, `{"localaddr":"x","conn":9}`, []string{`"conn" is for the other end`, `"localaddr" is for the other end`}},
		{Client, "{\n}\n  {\"mtu\":3}", []string{"text after the JSON value is ignored, from line 3, column 3 on"}},
		{Client, `{} x`, []string{"line 1, column 4 on"}},
		{Client, "{}\n \t\r\n", nil},
	} {
		c := DefaultConfig(tt.role)
		if err := c.parseJSON(tt.role, []byte(tt.text)); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
		if len(c.Warnings) != len(tt.want) {
			t.Errorf("%s: warnings %q, want %q", tt.text, c.Warnings, tt.want)
			continue
		}
		for i, part := range tt.want {
			testkit.Contains(t, c.Warnings[i], part)
		}
	}
	c := DefaultConfig(Client)
	if err := c.parseJSON(Client, []byte(`{"mtu":1300} {"mtu":1400}`)); err != nil || c.MTU != 1300 {
		t.Error("the first value must count", c.MTU, err)
	}
}

func TestJSONErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "line 1, column 1: the text ends before the JSON value does",
		"  \n ":                        "line 2, column 2: the text ends before the JSON value does",
		`{"mtu":1300`:                  "line 1, column 12: the text ends before the JSON value does",
		"{\n \"mtu\": 13,\n}":          "line 3, column 1: invalid character '}'",
		"{\n\"mtu\": }":                "line 2, column 8: invalid character '}'",
		`{'mtu':1}`:                    "line 1, column 2: invalid character",
		"{// comment\n}":               "line 1, column 2: invalid character '/'",
		"\xff\xfe{\x00":                "line 1, column 1: invalid character",
		"{\n  \"mtu\": \"1300\"\n}":    `line 2, column 15: key "mtu" wants a whole number, got string`,
		"{\n\n \"mtu\": 1.5}":          `line 3, column 11: key "mtu" wants a whole number, got number 1.5`,
		`{"mtu":1e99}`:                 `key "mtu" wants a whole number, got number 1e99`,
		`{"mtu":99999999999999999999}`: `key "mtu" wants a whole number`,
		`{"MTU":[1]}`:                  `key "mtu" wants a whole number, got array`,
		`{"nocomp":1}`:                 `line 1, column 11: key "nocomp" wants true or false, got number`,
		`{"nocomp":"true"}`:            `key "nocomp" wants true or false, got string`,
		`{"key":5}`:                    `key "key" wants a string, got number`,
		`{"key":{"a":1}}`:              `key "key" wants a string, got object`,
		`[]`:                           "line 1, column 1: a JSON object is wanted, got array",
		"\n 5":                         "line 2, column 2: a JSON object is wanted, got number",
		`"x"`:                          "a JSON object is wanted, got string",
		`true`:                         "a JSON object is wanted, got bool",
	} {
		c := DefaultConfig(Client)
		err := c.parseJSON(Client, []byte(text))
		if err == nil {
			t.Errorf("%q: no error", text)
			continue
		}
		testkit.Contains(t, err.Error(), want)
	}
}

// null changes nothing, as with the original: neither for all nor for one key.
func TestJSONNull(t *testing.T) {
	for _, text := range []string{"null", `{"mtu":null,"key":null,"quiet":null}`, "{}"} {
		c := DefaultConfig(Client)
		if err := c.parseJSON(Client, []byte(text)); err != nil || !reflect.DeepEqual(c, DefaultConfig(Client)) {
			t.Errorf("%s: %v, %+v", text, err, c)
		}
	}
}

func TestJSONByteOrderMark(t *testing.T) {
	c := DefaultConfig(Client)
	if err := c.parseJSON(Client, []byte("\xef\xbb\xbf{\"mtu\":1300}")); err != nil || c.MTU != 1300 || len(c.Warnings) > 0 {
		t.Error(err, c.MTU, c.Warnings)
	}
	err := c.parseJSON(Client, []byte("\xef\xbb\xbf{x"))
	if err == nil || !strings.HasPrefix(err.Error(), "line 1, column 2:") {
		t.Error(err)
	}
}

func TestReadJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.json")
	c := DefaultConfig(Server)
	err := c.ReadJSON(Server, path)
	if err == nil {
		t.Fatal("no error for a missing file")
	}
	testkit.Contains(t, err.Error(), "-c: open "+path)
	if err := os.WriteFile(path, []byte("{\n]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err = c.ReadJSON(Server, path); err == nil {
		t.Fatal("no error for a malformed file")
	}
	testkit.Contains(t, err.Error(), "-c "+path+": line 2, column 1: ")
	if err := os.WriteFile(path, []byte(`{"listen":":1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.ReadJSON(Server, path); err != nil || c.Listen != ":1" {
		t.Error(err, c.Listen)
	}
}

func FuzzConfigJSON(f *testing.F) {
	for _, seed := range []string{
		`{"mtu":1300}`, `{"MTU":"x"}`, `{} tail`, "\xef\xbb\xbf{}", `null`, `[`, `{"mtu":1e9}`, `{"key":"\ud800"}`, "{\n\n\"nocomp\":2}",
		strings.Repeat("[", 10001), `{"a":{"b":[{"c":null}]}}`, `{"mtu":{"x":1}}`, `{"ſndwnd":1}`,
	} {
		f.Add([]byte(seed))
	}
	place := regexp.MustCompile(`^line (\d+), column (\d+): `)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, role := range []Role{Client, Server} {
			c := DefaultConfig(role)
			err := c.parseJSON(role, data)
			if err != nil && !place.MatchString(err.Error()) {
				t.Errorf("no line and column in %q", err)
			}
			_ = c.Check(role)
		}
	})
}
