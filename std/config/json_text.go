package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// notUTF8 finds the first byte that is not UTF-8, JSON's encoding, and says which encoding
// the text may have instead. It returns -1 if there is none. Package json would replace
// each such byte by U+FFFD, so that different keys could become equal.
func notUTF8(data []byte) (offset int64, reason string) {
	i := 0
	for i < len(data) {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	switch {
	case i == len(data):
		return -1, ""
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return 0, "the text is UTF-16, which Windows calls Unicode: save it as UTF-8"
	}
	return int64(i), fmt.Sprintf("byte 0x%02x is not UTF-8, the text has another encoding, such as GBK or Latin-1: save it as UTF-8", data[i])
}

// explainSyntax words a syntax error whose offending byte is at offset. Package json names
// that byte as a Latin-1 character; this names the actual character, and the probable
// mistake.
func explainSyntax(data []byte, offset int64, err *json.SyntaxError) string {
	text := err.Error()
	if offset < 0 || offset >= int64(len(data)) {
		return text
	}
	r, _ := utf8.DecodeRune(data[offset:])
	if _, context, found := strings.Cut(text, "' "); found && r >= utf8.RuneSelf {
		text = fmt.Sprintf("invalid character %q %s", r, context)
	}
	if cause := mistake(data[:offset], r, text); cause != "" {
		return text + ": " + cause
	}
	return text
}

// mistake guesses why r cannot follow before, or returns "".
func mistake(before []byte, r rune, text string) string {
	inString := strings.Contains(text, "in string literal")
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	meant, typographic := lookalikes[r]
	switch {
	case r == 0:
		return "the text is UTF-16 or binary, save it as UTF-8"
	case strings.Contains(text, "escape"):
		return `a \ is written \\, or / in a path`
	case inString && r == '\t':
		return `a tab is written \t`
	case inString && strings.ContainsFunc(string(line), isTypographicQuote):
		return `the closing " is missing, a typographic quote does not count`
	case inString:
		return `the closing " is missing`
	case typographic:
		return fmt.Sprintf("a typographic character (%U) where JSON has %c", r, meant)
	case r >= utf8.RuneSelf && !unicode.IsGraphic(r) || unicode.Is(unicode.Zs, r) && r != ' ':
		return fmt.Sprintf("a space or an invisible character (%U) that JSON does not allow, remove it", r)
	case r == '\'':
		return `JSON has text in double quotes, "text"`
	case r == '/' || r == '#':
		return "JSON has no comments"
	case (r == '}' || r == ']') && bytes.HasSuffix(bytes.TrimSpace(before), []byte(",")):
		return "there is no comma after the last value"
	case r == '"' && strings.Contains(text, "after object key:value pair"):
		return "a comma is missing before it"
	case len(bytes.TrimSpace(before)) == 0:
		return "a settings file begins with {"
	}
	return unquoted(r, text)
}

// unquoted guesses what is wrong with a value or a key that has no quotes, or returns "".
func unquoted(r rune, text string) string {
	switch {
	case strings.Contains(text, "object key string"):
		return `keys are in double quotes, "key"`
	case strings.Contains(text, "looking for beginning of value") && strings.ContainsRune(",}]", r):
		return "a value is missing before it"
	case strings.Contains(text, "looking for beginning of value"), strings.Contains(text, "in literal"),
		strings.Contains(text, "after object key:value pair") && (unicode.IsLetter(r) || strings.ContainsRune(".:-+=", r)):
		return `text is in double quotes, "text"; a switch is true or false, in small letters`
	}
	return ""
}

// lookalikes maps what word processors and input methods type to the JSON character that
// was meant.
var lookalikes = map[rune]rune{
	'\u201c': '"', '\u201d': '"', '\u201e': '"', '\u201f': '"', '\u00ab': '"', '\u00bb': '"', '\uff02': '"',
	'\u2018': '"', '\u2019': '"', '\u201a': '"', '\u300c': '"', '\u300d': '"',
	'\uff0c': ',', '\uff1a': ':', '\uff5b': '{', '\uff5d': '}', '\uff3b': '[', '\uff3d': ']',
}

func isTypographicQuote(r rune) bool { return lookalikes[r] == '"' }
