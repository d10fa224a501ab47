package reassemblytest_test

import (
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// The frames of a script are what another implementation reads.
func TestHTTP2(t *testing.T) {
	turns := reassemblytest.Turns(`
>> {{h2hello}}
<< {{h2settings}}
>> {{h2 1 ":method: POST" ":path: /a" (print "x-long: " (repeat 1000 "y"))}}
>> {{h2data 1 "abc" "end"}}
<< {{h2 1 ":status: 200" "end"}}`)
	var said [2]strings.Builder
	for _, turn := range turns {
		side := 0
		if turn.Server {
			side = 1
		}
		said[side].WriteString(turn.Text)
	}
	client, found := strings.CutPrefix(said[0].String(), http2.ClientPreface)
	if !found {
		t.Fatalf("%q", said[0].String())
	}
	var got []string
	for _, s := range []string{client, said[1].String()} {
		f := http2.NewFramer(nil, strings.NewReader(s))
		f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		for {
			fr, err := f.ReadFrame()
			if err != nil {
				break
			}
			switch fr := fr.(type) {
			case *http2.MetaHeadersFrame:
				for _, h := range fr.Fields {
					got = append(got, h.Name+"="+h.Value)
				}
			case *http2.DataFrame:
				got = append(got, string(fr.Data()))
			default:
				got = append(got, fr.Header().Type.String())
			}
		}
	}
	want := "SETTINGS :method=POST :path=/a x-long=" + strings.Repeat("y", 1000) + " abc SETTINGS SETTINGS :status=200"
	if s := strings.Join(got, " "); s != want {
		t.Error(s)
	}
	if _, err := reassemblytest.Parse("bad", `{{h2 1 "nothing"}}`, nil); err == nil {
		t.Error("a field without a value was taken")
	}
}
