package rules_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/detecttest"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

func TestScripts(t *testing.T) { detecttest.Scripts(t, "testdata", rules.All()) }

func TestTable(t *testing.T) {
	all := rules.All()
	names := make([]string, len(all))
	for i := range all {
		d := &all[i]
		names[i] = d.Name
		if err := d.Validate(); err != nil {
			t.Error(err)
		}
		if got, ok := rules.Find(d.Name); !ok || got.Name != d.Name {
			t.Errorf("%s is not found", d.Name)
		}
		// The form that docs and terminals wrap.
		for _, p := range strings.Split(d.Doc, "\n\n") {
			if strings.Contains(p, "\n") || len(p) < 60 || !strings.HasSuffix(p, ".") {
				t.Errorf("%s: a paragraph of Doc is one line of 60 bytes or more that ends with a full stop, not %q", d.Name, p)
			}
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) || len(names) < 16 {
		t.Errorf("not a table: %q", names)
	}
	if _, ok := rules.Find("jwt_alg"); ok {
		t.Error("half a name finds something")
	}
}

// Every detector can be switched off by itself: those that share windows must
// not need each other to feed them.
func TestEachAlone(t *testing.T) {
	for _, d := range rules.All() {
		if _, err := detect.NewEngine(detect.Options{Detectors: []detect.Detector{d}}); err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
	}
}

// What a detector keeps is bounded, and says when the bound was met.
func TestMemoryIsBounded(t *testing.T) {
	const n = 30
	var b strings.Builder
	b.WriteString(`conn a 192.0.2.7:40000 198.51.100.1:80
> GET /jwks HTTP/1.1
> Host: api.test

< HTTP/1.1 200 OK
< Content-Type: application/json
<
< {"keys":[{{json (jwk "RS256" "" "k1")}}]}

> GET /x HTTP/1.1
> Host: api.test

< HTTP/1.1 401 Unauthorized

`)
	for i := range n {
		b.WriteString(`
> GET /x HTTP/1.1
> Host: api.test
> Authorization: Bearer {{jwth (dict "kid" "1") "HS256" "` + strings.Repeat("x", i) + `" (dict "sub" "carol" "n" ` + strconv.Itoa(i) + `)}}

< HTTP/1.1 200 OK

> GET /x HTTP/1.1
> Host: api.test
> Authorization: Bearer {{withnonce ` + strconv.Itoa(i+2) + ` (dict "sub" "carol")}}

< HTTP/1.1 200 OK

`)
	}
	d, err := reassemblytest.Parse("test", b.String(), detecttest.Funcs())
	if err != nil {
		t.Fatal(err)
	}
	for name, atLeast := range map[string]uint64{
		"jwt_tampered": 2*n - 10, "jwt_algorithm_confusion": n - 5, "jwt_missing_claims": 2*n - 5, "jwt_sensitive_claims": 2*n - 5,
		"jwt_nonce_reuse": n - 10,
	} {
		detector, _ := rules.Find(name)
		stats, err := detecttest.Stats(d.Packets(), detect.Options{
			Detectors: []detect.Detector{detector},
			Settings:  map[string]detect.Values{name: {"tokens": 5}},
		})
		if err != nil || stats.Forgotten < atLeast {
			t.Errorf("%s: %d forgotten, want %d, %v", name, stats.Forgotten, atLeast, err)
		}
	}
}
