package expression_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/authtap/authtap/detect/expression"
)

func TestParts(t *testing.T) {
	for text, want := range map[string][]string{
		`method == "GET"`: {`method == "GET": method == [GET]`},
		`method == "GET" and (status >= 400 && status != 404)`:  {`method == "GET": method == [GET]`, `status >= 400: status >= [400]`, `status != 404: status != [404]`},
		`method in ["GET", "HEAD"] && path startsWith "/a"`:     {`method in ["GET", "HEAD"]: method in [GET HEAD]`, `path startsWith "/a": path startsWith [/a]`},
		`login.form != "" && login.default`:                     {`login.form != "": login.form != []`, `login.default: login.default true []`},
		`any(presented, .access) && len(issued) > 0`:            {`any(presented, .access): presented any []`, `len(issued) > 0: issued any []`},
		`count(presented, .access) >= 2 && len(issued) >= 0`:    {`count(presented, .access) >= 2: presented any []`, `len(issued) >= 0:   []`},
		`method == "GET" || status == 200`:                      {`method == "GET" || status == 200:   []`},
		`host == path && not (status in [1])`:                   {`host == path:   []`, `not (status in [1]):   []`},
		`all(presented, .access) && request.header("a") == "b"`: {`all(presented, .access):   []`, `request.header("a") == "b":   []`},
		`let a = 1; a == 1 && status == 1`:                      {`let a = 1; a == 1 && status == 1:   []`},
		`status in [-1, 2] && (decrypted ? true : status == 3)`: {`status in [-1, 2]:   []`, `decrypted ? true : status == 3:   []`},
	} {
		var got []string
		for _, p := range expression.Parts(text) {
			got = append(got, fmt.Sprintf("%s: %s %s %v", p.Text, p.Field, p.Operator, p.Values))
			if _, err := expression.Compile[expression.Exchange, bool](p.Text); err != nil {
				t.Errorf("%s: part %s: %v", text, p.Text, err)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// Apart, an expression means what it means as a whole.
func FuzzParts(f *testing.F) {
	f.Add(`method == "POST" && (status == 200 or host == "x") and any(presented, .access) && login.form != ""`)
	s := subject(f)
	f.Fuzz(func(t *testing.T, text string) {
		whole, err := expression.Compile[expression.Exchange, bool](text)
		if err != nil {
			return
		}
		var env expression.Exchange
		env.Set(s, whole.Used())
		want, failed := whole.Run(&env)
		got := true
		for _, part := range expression.Parts(text) {
			p, err := expression.Compile[expression.Exchange, bool](part.Text)
			if err != nil {
				return // the caller says so
			}
			holds, err := p.Run(&env)
			if err != nil {
				return
			}
			got = got && holds
		}
		if failed == nil && got != want {
			t.Errorf("%s: whole %v, apart %v", text, want, got)
		}
	})
}
