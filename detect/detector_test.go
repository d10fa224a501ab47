package detect

import (
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

// A detector that lacks something is refused, and told what.
func TestValidate(t *testing.T) {
	crossed := func(*Pass, string, *window.Summary) {}
	for want, change := range map[string]func(*Detector){
		"":                           func(d *Detector) {},
		"lower-case words":           func(d *Detector) { d.Name = "Seen-It" },
		"no title":                   func(d *Detector) { d.Title = "" },
		"four paragraphs":            func(d *Detector) { d.Doc = "a\n\nb\n\nc" },
		"no severity":                func(d *Detector) { d.Severity = 0 },
		"no confidence":              func(d *Detector) { d.Confidence = 0 },
		"no OWASP reference":         func(d *Detector) { d.OWASP = nil },
		"no CWE reference":           func(d *Detector) { d.CWE = nil },
		"no function":                func(d *Detector) { d.Exchange = nil },
		"Needs is empty":             func(d *Detector) { d.Needs = 0 },
		"a name, a span and Crossed": func(d *Detector) { d.Windows = []Window{{Name: "x", Crossed: crossed}} },
		"without name or doc":        func(d *Detector) { d.Options = []Option{{Name: "x", Default: 1}} },
		"there twice":                func(d *Detector) { d.Options = append(d.Options, d.Options[0]) },
		"option x has type float64":  func(d *Detector) { d.Options = []Option{{Name: "x", Default: 1.5, Doc: "x"}} },
		"Content without Exchange": func(d *Detector) {
			d.Content, d.Exchange, d.Token = func(*Inspection) bool { return true }, nil, seen.Token
		},
		"no doc":                      func(d *Detector) { d.Custom, d.Doc = true, "" },
		"window needs a name, a span": func(d *Detector) { d.Windows = []Window{{Span: time.Hour, Crossed: crossed}} },
	} {
		d := seen
		change(&d)
		if d.Content != nil {
			d.Handshake = func(*Pass, *exchange.Handshake) {}
		}
		err := d.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := (&Detector{}).Validate(); err == nil || strings.Count(err.Error(), "; ") < 6 {
		t.Errorf("%v does not tell everything at once", err)
	}
	// What a rule of the user's need not have.
	d := seen
	d.Custom, d.Doc, d.CWE, d.OWASP = true, "x", nil, nil
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
}
