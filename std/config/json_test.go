package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"kcptun/std/testkit"
)

func TestJSONOverridesOnlyItsKeys(t *testing.T) {
	c := Default(Client)
	c.MTU, c.NoComp = 1200, true // as flags would
	err := c.parseJSON(Client, []byte(`{"key":"k","sndwnd":77,"NoDelay":1,"QPP-Count":63,"nocomp":false}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Default(Client)
	want.MTU, want.Key, want.SndWnd, want.NoDelay, want.QPPCount = 1200, "k", 77, 1, 63
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
}

// Every field of Config has its key in the table of settings, and that key sets the table's
// field.
func TestJSONReachesEverySetting(t *testing.T) {
	var c Config
	for _, s := range settings(&c) {
		value := map[reflect.Kind]string{reflect.Int: "41", reflect.Bool: "true", reflect.String: `"x"`}[reflect.TypeOf(s.Value()).Kind()]
		for _, key := range []string{s.Key, strings.ToUpper(s.Key)} {
			c = Config{Warnings: c.Warnings}
			if err := c.parseJSON(s.roles, []byte(`{"`+key+`":`+value+`}`)); err != nil {
				t.Error(err)
			}
			if reflect.ValueOf(s.Value()).IsZero() {
				t.Errorf("JSON key %q does not reach --%s", key, s.Name)
			}
		}
	}
	if len(c.Warnings) > 0 {
		t.Error(c.Warnings)
	}
	if fields := reflect.TypeOf(c).NumField() - 2; fields != len(settings(&c)) { // except Warnings and given
		t.Errorf("%d fields, %d settings", fields, len(settings(&c)))
	}
}

// A list of servers is the same as the flag with commas.
func TestJSONListOfServers(t *testing.T) {
	for _, key := range []string{"remoteaddr", "RemoteAddr"} {
		c := Default(Client)
		err := c.parseJSON(Client, []byte(`{"mtu":1300,"`+key+`":["a.example:1", "b.example:2-3"],"key":"k"}`))
		if err != nil {
			t.Fatal(err)
		}
		if c.RemoteAddr != "a.example:1,b.example:2-3" || c.MTU != 1300 || c.Key != "k" {
			t.Errorf("got %q, mtu %d, key %q", c.RemoteAddr, c.MTU, c.Key)
		}
		if err := c.Check(Client); err != nil {
			t.Error(err)
		}
	}
}

func TestJSONWarnings(t *testing.T) {
	for _, tt := range []struct {
		role Role
		text string
		want []string // part of each warning, in order
	}{
		{Client, `{"mtu":1300}`, nil},
		{Client, `{"rcvwind":1,"sndwnd":2}`, []string{`"rcvwind" is unknown and is ignored; did you mean "rcvwnd"?`}},
		{Client, `{"Rcv_Wnd":1}`, []string{`"Rcv_Wnd" is unknown and is ignored; did you mean "rcvwnd"?`}},
		{Client, `{"qppcount":1}`, []string{`did you mean "qpp-count"?`}},
		{Client, `{"_comment":"x"}`, []string{`"_comment" is unknown and is ignored`}},
		{Client, `{"":1,"b":2,"Warnings":[]}`, []string{`""`, `"Warnings"`, `"b"`}},
		{Client, `{"target":"x","LISTEN":"y","localaddr":"z"}`, []string{`"LISTEN" is for the other end`, `"target" is for the other end`}},
		{Server, `{"localaddr":"x","conn":9,"listen":"y"}`, []string{`"conn" is for the other end`, `"localaddr" is for the other end`}},
		{Client, "{\n}\n  {\"mtu\":3}", []string{"text after the JSON value is ignored, from line 3, column 3 on"}},
		{Client, `{"mode":"auto","mtu":1300,"Mode":"fast"}`, []string{`"mode" is there 2 times, and only the last one counts`}},
		{Client, `{"mtu":1300,"mtu":null,"_":1,"_":2,"listen":"x","listen":"y","remoteaddr":"z"}`, []string{`"_" is unknown`, `"listen" is for the other end`}},
		{Client, `{} x`, []string{"line 1, column 4 on"}},
		{Client, "{}\n \t\r\n", nil},
	} {
		c := Default(tt.role)
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
	c := Default(Client)
	if err := c.parseJSON(Client, []byte(`{"mtu":1300} {"mtu":1400}`)); err != nil || c.MTU != 1300 {
		t.Error("the first value must count", c.MTU, err)
	}
}

func TestJSONErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "line 1, column 1: the text ends before the JSON value does",
		"  \n ":                        "line 2, column 2: the text ends before the JSON value does",
		`{"mtu":1300`:                  "line 1, column 12: the text ends before the JSON value does",
		"{\n\"mtu\": }":                "line 2, column 8: invalid character '}'",
		"{\n  \"mtu\": \"1300\"\n}":    `line 2, column 10: key "mtu" wants a whole number, got string`,
		"{\n\n \"mtu\": 1.5}":          `line 3, column 9: key "mtu" wants a whole number, got number 1.5`,
		`{"mtu":1e99}`:                 `key "mtu" wants a whole number, got number 1e99`,
		`{"mtu":99999999999999999999}`: `key "mtu" wants a whole number`,
		`{"MTU":[1]}`:                  `key "mtu" wants a whole number, got array`,
		`{"nocomp":1}`:                 `line 1, column 11: key "nocomp" wants true or false, got number`,
		`{"nocomp":"true"}`:            `key "nocomp" wants true or false, got string`,
		`{"remoteaddr":["x:1",2]}`:     `line 1, column 15: key "remoteaddr" wants a string, or a list of one string or more`,
		`{"RemoteAddr":[]}`:            `key "RemoteAddr" wants a string, or a list of one string or more`,
		`{"remoteaddr":{}}`:            `key "remoteaddr" wants a string, got object`,
		"{\"remoteaddr\":[\"x:1\"],\n\"mtu\":\"x\"}": `line 2, column 7: key "mtu" wants a whole number, got string`,
		`{"key":5}`:       `key "key" wants a string, got number`,
		`{"key":{"a":1}}`: `key "key" wants a string, got object`,
		`[]`:              "line 1, column 1: a JSON object is wanted, got array",
		"\n 5":            "line 2, column 2: a JSON object is wanted, got number",
		`"x"`:             "a JSON object is wanted, got string",
		`true`:            "a JSON object is wanted, got bool",
	} {
		c := Default(Client)
		err := c.parseJSON(Client, []byte(text))
		if err == nil {
			t.Errorf("%q: no error", text)
			continue
		}
		testkit.Contains(t, err.Error(), want)
	}
}

// All values of the wrong type are reported, not only the first one.
func TestJSONErrorsTogether(t *testing.T) {
	c := Default(Client)
	err := c.parseJSON(Client, []byte("{\"mtu\":\"x\",\n \"remoteaddr\":[], \"sndwnd\":9,\n\"key\":5}"))
	want := `line 1, column 8: key "mtu" wants a whole number, got string
line 2, column 15: key "remoteaddr" wants a string, or a list of one string or more
line 3, column 7: key "key" wants a string, got number`
	if err == nil || err.Error() != want || c.SndWnd != 9 || c.MTU != Default(Client).MTU {
		t.Errorf("sndwnd %d, mtu %d, %v", c.SndWnd, c.MTU, err)
	}
}

// Invalid JSON is reported with the probable mistake.
func TestJSONMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"\xff\xfe{\x00}\x00":                     "line 1, column 1: the text is UTF-16, which Windows calls Unicode: save it as UTF-8",
		"\xfe\xff\x00{\x00}":                     "line 1, column 1: the text is UTF-16, which Windows calls Unicode: save it as UTF-8",
		"{\x00\"\x00":                            "line 1, column 2: invalid character '\\x00' looking for beginning of object key string: the text is UTF-16 or binary",
		"\x00{\x00}":                             "line 1, column 1: invalid character '\\x00' looking for beginning of value: the text is UTF-16",
		"{\n\"key\":\"\xc3\xdc\xc2\xeb\"}":       "line 2, column 8: byte 0xc3 is not UTF-8, the text has another encoding, such as GBK",
		"{\"\xc3\xdc\":1}":                       "line 1, column 3: byte 0xc3 is not UTF-8",
		"{\"mtu\":\"\xc3\"}":                     "line 1, column 9: byte 0xc3 is not UTF-8",
		"{\"mtu\":\xc3}":                         "line 1, column 8: byte 0xc3 is not UTF-8",
		"{\"key\":\"\xc3":                        "line 1, column 9: byte 0xc3 is not UTF-8",
		"{\"key\":\"\xed\xa0\x80\"}":             "line 1, column 9: byte 0xed is not UTF-8",
		"{\n \"key\": \u201ck\u201d}":            "line 2, column 9: invalid character '\u201c' looking for beginning of value: a typographic character (U+201C) where JSON has \"",
		"{\"\u5bc6\": 1, \u2018key\u2019: 1}":    "line 1, column 10: invalid character '\u2018' looking for beginning of object key string: a typographic character (U+2018) where JSON has \"",
		"{\"mtu\":1300\uff0c\"key\":\"k\"}":      "invalid character '\uff0c' after object key:value pair: a typographic character (U+FF0C) where JSON has ,",
		"{\"key\": \"k\u201d,\n\"mtu\": 1}":      `line 1, column 13: invalid character '\n' in string literal: the closing " is missing, a typographic quote does not count`,
		"{\"key\": \"k,\r\n\"mtu\": 1}":          `line 1, column 12: invalid character '\r' in string literal: the closing " is missing`,
		"{\"key\": \"a\tb\"}":                    `invalid character '\t' in string literal: a tab is written \t`,
		"{\u00a0\"mtu\": 1}":                     "a space or an invisible character (U+00A0) that JSON does not allow",
		"{\"mtu\":\u200b 1}":                     "a space or an invisible character (U+200B) that JSON does not allow",
		"{\"mtu\": \u20a9}":                      "column 9: invalid character '\u20a9' looking for beginning of value",
		`{'mtu':1}`:                              `line 1, column 2: invalid character '\'' looking for beginning of object key string: JSON has text in double quotes, "text"`,
		"{\n\"key\": 'k\",}":                     `line 2, column 8: invalid character '\'' looking for beginning of value: JSON has text in double quotes`,
		"{// comment\n}":                         "line 1, column 2: invalid character '/' looking for beginning of object key string: JSON has no comments",
		"{\"mtu\": 1, // \u670d\n\"key\":\"k\"}": "line 1, column 12: invalid character '/' looking for beginning of object key string: JSON has no comments",
		"{\n# comment\n}":                        "line 2, column 1: invalid character '#' looking for beginning of object key string: JSON has no comments",
		`{"log": "C:\kcptun\client.log"}`:        `invalid character 'k' in string escape code: a \ is written \\, or / in a path`,
		`{"log": "C:\users\x"}`:                  `escape: a \ is written \\`,
		"{\n \"mtu\": 13,\n}":                    "line 3, column 1: invalid character '}' looking for beginning of object key string: there is no comma after the last value",
		"\n[client]\nmode=auto":                  "line 2, column 2: invalid character 'c' looking for beginning of value",
		"mode=auto":                              "line 1, column 1: invalid character 'm' looking for beginning of value: a settings file begins with {",
		`{"mode": auto}`:                         "invalid character 'a' looking for beginning of value: text is in double quotes",
		`{"mode": fast}`:                         "invalid character 's' in literal false (expecting 'l'): text is in double quotes",
		`{"nocomp": True}`:                       "line 1, column 12: invalid character 'T' looking for beginning of value: text is in double quotes, \"text\"; a switch is true or false, in small letters",
		`{"remoteaddr": 192.0.2.1:29900}`:        "line 1, column 21: invalid character '.' after object key:value pair: text is in double quotes",
		`{"key": 4YrjkJDX=}`:                     "invalid character 'Y' after object key:value pair: text is in double quotes",
		`{"listen": :29900}`:                     "invalid character ':' looking for beginning of value: text is in double quotes",
		`{mode: "auto"}`:                         `invalid character 'm' looking for beginning of object key string: keys are in double quotes, "key"`,
		`{"mtu": , "key": "k"}`:                  "line 1, column 9: invalid character ',' looking for beginning of value: a value is missing before it",
		"{\"mtu\": 13\n \"key\": \"k\"}":         "line 2, column 2: invalid character '\"' after object key:value pair: a comma is missing before it",
	} {
		c := Default(Client)
		err := c.parseJSON(Client, []byte(text))
		if err == nil {
			t.Errorf("%q: no error", text)
			continue
		}
		testkit.Contains(t, err.Error(), want)
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than one line: %q", text, err)
		}
	}
}

// Two different keys in GBK were read as the same number of U+FFFD, and so as equal keys.
func TestJSONKeysStayDifferent(t *testing.T) {
	for _, key := range []string{"\xc3\xdc\xc2\xeb", "\xcc\xec\xb5\xd8"} {
		c := Default(Server)
		if err := c.parseJSON(Server, []byte(`{"key":"`+key+`"}`)); err == nil {
			t.Errorf("%q became %q", key, c.Key)
		}
	}
	// Text after the value is not read.
	c := Default(Server)
	if err := c.parseJSON(Server, []byte("{\"key\":\"k\"}\n// \xc3\xdc")); err != nil || c.Key != "k" || len(c.Warnings) != 1 {
		t.Errorf("%q, %q, %v", c.Key, c.Warnings, err)
	}
}

// A path that JSON reads differently from what its writer meant.
func TestJSONControlCharacters(t *testing.T) {
	c := Default(Client)
	if err := c.parseJSON(Client, []byte(`{"key":"k","log":"C:\temp\new.log"}`)); err != nil {
		t.Fatal(err)
	}
	err := c.Check(Client)
	if err == nil {
		t.Fatal("taken")
	}
	testkit.Contains(t, err.Error(), `--log (JSON "log"): "C:\temp\new.log" has a control character`)
}

// null changes nothing, as with the original, neither as the whole file nor for one key.
func TestJSONNull(t *testing.T) {
	for text, warnings := range map[string]int{"null": 0, "null\x19": 1, "null {\"mtu\":1200}": 1, `{"mtu":null,"key":null,"quiet":null}`: 0, "{}": 0} {
		c := Default(Client)
		err := c.parseJSON(Client, []byte(text))
		if len(c.Warnings) != warnings {
			t.Errorf("%q: warnings %q, want %d", text, c.Warnings, warnings)
		}
		if c.Warnings = nil; err != nil || !reflect.DeepEqual(c, Default(Client)) {
			t.Errorf("%q: %v, %+v", text, err, c)
		}
	}
}

func TestJSONByteOrderMark(t *testing.T) {
	c := Default(Client)
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
	c := Default(Server)
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
		"\xff\xfe{\x00}\x00", "{\"key\":\"\xc3\"}", "{\u201ckey\u201d:1}", `{"log":"C:\k"}`, "{\"key\":\"k\u201d,\n}", "{'a':1}", "{ \u3000}",
		strings.Repeat("[", 10001), `{"a":{"b":[{"c":null}]}}`, `{"mtu":{"x":1}}`, `{"ſndwnd":1}`,
	} {
		f.Add([]byte(seed))
	}
	place := regexp.MustCompile(`^line (\d+), column (\d+): `)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, role := range []Role{Client, Server} {
			c := Default(role)
			err := c.parseJSON(role, data)
			if err != nil && !place.MatchString(err.Error()) {
				t.Errorf("no line and column in %q", err)
			}
			if err == nil && !utf8.ValidString(c.Key) || err != nil && !utf8.ValidString(err.Error()) {
				t.Errorf("not UTF-8: key %q, error %q", c.Key, err)
			}
			_ = c.Check(role)
		}
	})
}
